import java.io.File;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Parameter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.Properties;
import java.util.Set;
import org.openapitools.client.ApiClient;

/** Calls methods of a generated client by name, with arguments by parameter name; prints one line for each. */
public final class Calls {
  /** Arguments: server, token, file of values by parameter, folder of the classes of the API, names of methods. */
  public static void main(String[] args) throws Exception {
    ApiClient client = new ApiClient();
    client.updateBaseUri(args[0]);
    client.setRequestInterceptor(request -> request.header("X-Auth-Token", args[1]));
    Properties values = new Properties();
    try (var reader = Files.newBufferedReader(Path.of(args[2]))) {
      values.load(reader);
    }
    Set<String> wanted = new HashSet<>(Arrays.asList(args).subList(4, args.length));
    for (File file : new File(args[3]).listFiles((folder, name) -> name.endsWith("Api.class"))) {
      String simple = file.getName().replace(".class", "");
      Class<?> type = Class.forName("org.openapitools.client.api." + simple);
      Object api = type.getConstructor(ApiClient.class).newInstance(client);
      for (Method method : type.getDeclaredMethods()) {
        boolean plain = Arrays.stream(method.getParameters()).noneMatch(item -> item.getName().equals("headers"));
        if (wanted.contains(method.getName()) && plain && Modifier.isPublic(method.getModifiers())) {
          System.out.println(method.getName() + "\t" + answer(api, method, values));
        }
      }
    }
  }

  private static Object given(Parameter parameter, Properties values) {
    String text = values.getProperty(parameter.getName());
    return text != null && parameter.getType() == LocalDate.class ? LocalDate.parse(text) : text;
  }

  private static String answer(Object api, Method method, Properties values) throws Exception {
    Object[] given = Arrays.stream(method.getParameters()).map(item -> given(item, values)).toArray();
    try {
      Object found = method.invoke(api, given);
      boolean inEnvelope =
          found != null && Arrays.stream(found.getClass().getMethods()).anyMatch(item -> item.getName().equals("getData"));
      Object data = inEnvelope ? found.getClass().getMethod("getData").invoke(found) : found;
      return data instanceof Collection<?> items ? items.size() + " items" : data == null ? "nothing" : "one";
    } catch (InvocationTargetException error) {
      return "failed: " + String.valueOf(error.getCause()).replace('\n', ' ');
    }
  }
}
