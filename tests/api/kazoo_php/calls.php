<?php
// Uses the kazoo-php-sdk, as an integrator does, and prints as JSON what it returned.
//
// Arguments: directory of the SDK, URL of the API, API key, name, password and realm of a user, start and end of a period.

error_reporting(E_ALL & ~E_DEPRECATED);
[, $sdk, $url, $key, $name, $password, $realm, $from, $to] = $argv;

$composed = "$sdk/vendor/autoload.php";
require is_file($composed) ? $composed : 'GuzzleHttp/autoload.php';
spl_autoload_register(function ($class) use ($sdk) {
    $file = "$sdk/lib/hz2600/" . str_replace('\\', '/', $class) . '.php';
    if (is_file($file)) {
        require $file;
    }
});

use Kazoo\AuthToken\ApiKey;
use Kazoo\AuthToken\User;
use Kazoo\SDK;

/** Class and message of the exception that a call raises, or null. */
function failure(callable $call)
{
    try {
        $call();
    } catch (\Exception $error) {
        $data = method_exists($error, 'getData') ? $error->getData() : null;
        return ['class' => get_class($error), 'code' => $error->getCode(), 'data' => $data];
    }
    return null;
}

$options = ['base_url' => $url];
$by_key = new SDK(new ApiKey($key), $options);
$by_name = new SDK(new User($name, $password, $realm), $options);
$period = ['created_from' => $from, 'created_to' => $to];

$records = $by_key->Account()->Cdrs($period);
$listed = [];
foreach ($records as $record) {
    $listed[] = ['id' => $record->id, 'call' => $record->call_id, 'seconds' => $record->duration_seconds];
}
$filtered = $by_key->Account()->Cdrs($period + ['filter_call_direction' => 'inbound']);
$users_records = $by_key->Account()->User('u1')->cdrs($period);
$page = $by_key->Account()->Cdrs()->fetch($period + ['page_size' => 1]);
$next = $page->getResponse()->getJson()->next_start_key;
$rest = $by_key->Account()->Cdrs()->fetch($period + ['page_size' => 1, 'start_key' => $next]);
$children = $by_name->Accounts()->fetch();
$descendants = $by_name->Account()->descendants();
$account = $by_name->Account();

echo json_encode([
    'listed' => $listed,
    'count' => count($records),
    'inbound' => count($filtered),
    'of_user' => count($users_records),
    'detail' => json_decode($records[0]->fetch()->toJson()),
    'pages' => [$page[0]->id, $rest[0]->id],
    'account' => [$account->id, $account->name],
    'children' => json_decode($children->toJson()),
    'descendants' => json_decode($descendants->toJson()),
    'devices' => count($by_key->Account()->Devices()),
    'users' => count($by_key->Account()->Users()),
    'wrong key' => failure(fn () => (new SDK(new ApiKey('wrong'), $options))->Account()->Cdrs()->fetch()),
    'wrong password' => failure(fn () => (new SDK(new User($name, 'wrong', $realm), $options))->Account()->fetch()),
    'unknown record' => failure(fn () => $by_key->Account()->Cdr('202601-none')->fetch()),
    'foreign account' => failure(fn () => $by_key->Account('stranger')->Cdrs()->fetch()),
    'bad period' => failure(fn () => $by_key->Account()->Cdrs()->fetch(['created_from' => 'x'])),
]);
