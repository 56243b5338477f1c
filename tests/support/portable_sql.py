"""Rules of SQL that PostgreSQL and a Citus cluster both accept, checked on parsed statements.

A scope is a part of a statement that a cluster plans as one: the statement without its materialized parts. Materialized
parts are common table expressions that are MATERIALIZED or used more than once, subqueries with LIMIT or OFFSET, the
branches of a UNION, and scalar subqueries of a SELECT without FROM.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType, CTEMaterialize, JoinType
from psycopg import sql

from cdr_pipeline.warehouse.server.cluster import LOCAL, REFERENCE
from cdr_pipeline.warehouse.statements import named

_CATALOGUE: Final = re.compile(r"^(pg_|information_schema)")
_VOLATILE: Final = frozenset({"now", "clock_timestamp", "random", "gen_random_uuid"})
# What callers fill in, in a form that parses.
_FILLED: Final = {
    "clock": "started_at", "columns": "record.record_id AS id", "conditions": "record.account_id = ANY(%(accounts)s)",
    "names": "page.id", "order": "record.started_at", "table": "cdr", "stage": "cdr_stage", "partition": "cdr_y2026m01",
    "first_day": "'2026-01-01'", "end_day": "'2026-02-01'", "before": "true", "after": "true", "searched": "raw",
    "values": "1", "present": "present.record_id", "assignments": "raw = ''", "cells": "record_id",
    "stored": "account_id, carrier", "new_name": "cdr_y2026m01", "among": "true", "legs": "cdr_merged",
}  # fmt: skip
# Executed on a single server only, where accounts share a transaction.
SINGLE_SERVER: Final = frozenset({"days/linked_accounts", "records/accounts_with_counterparts"})
# A node of a parsed statement; each class has its own attributes, and the rules look at few of them.
Node = Any
_PLACEHOLDER: Final = re.compile(r"%\(\w+\)s")


def filled(name: str) -> str:
    """Text of a statement with its placeholders filled in."""
    parts: dict[str, sql.Composable] = {}
    while True:
        try:
            return named(name, **parts).as_string(None)
        except KeyError as error:
            missing = str(error.args[0])
            parts[missing] = sql.SQL(_FILLED[missing])  # pyright: ignore[reportArgumentType] - a constant of this module


@dataclass(frozen=True, slots=True)
class _Scope:
    """A part that is planned as one.

    Attributes:
        tables: tables read in it, materialized parts and the target of an insert excluded.
        joins: its joins.
        sources: its subqueries in FROM.
        bound: whether it is limited to one account by a parameter.
        recursive: whether it is part of a recursive common table expression.
    """

    tables: tuple[str, ...]
    joins: tuple[Node, ...]
    sources: tuple[Node, ...]
    bound: bool
    recursive: bool


def faults(text: str) -> list[str]:
    """Rules that a statement breaks."""
    statement = parse_sql(_PLACEHOLDER.sub("$1", text).replace("%%", "%"))[0].stmt
    broken = [*_changes(statement), *_everywhere(statement)]
    for scope in _scopes(statement):
        broken += _scope_faults(scope)
    return broken


def _scope_faults(scope: _Scope) -> Iterator[str]:
    kinds = {_kind(table) for table in scope.tables}
    if "distributed" not in kinds:
        return
    if "coordinator" in kinds:
        yield "joins distributed tables with tables of the coordinator"
    if scope.recursive and not scope.bound:
        yield "a recursive query over distributed tables of several accounts"
    if not scope.bound and any(map(_has_no_source, scope.sources)):
        yield "a subquery without FROM next to distributed tables of several accounts"
    for join in scope.joins:
        left, right = _tables_of(join.larg), _tables_of(join.rarg)
        if not any(_kind(table) == "distributed" for table in right):
            continue
        distributed_left = any(_kind(table) == "distributed" for table in left)
        computed = _is(join.larg, ast.RangeSubselect, ast.RangeFunction)
        if join.jointype is JoinType.JOIN_LEFT and computed and not distributed_left and not scope.bound:
            yield "an outer join of distributed rows to computed rows"
        if distributed_left and not (_joins_accounts(join) or scope.bound):
            yield "a join of distributed tables without the account"


def _returned(statement: Node) -> Iterator[str]:
    for node in _walk(statement):
        is_change = _is(node, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt) and node.relation.relname not in LOCAL
        if is_change and any(_is(part, ast.FuncCall) for part in _walk(node.returningClause)):
            yield "a function among the columns that a change returns"


def _changes(statement: Node) -> Iterator[str]:
    yield from _returned(statement)
    for node in _walk(statement):
        if _is(node, ast.UpdateStmt):
            targets, table = node.targetList or (), node.relation.relname
        elif _is(node, ast.InsertStmt) and node.onConflictClause is not None:
            targets, table = node.onConflictClause.targetList or (), node.relation.relname
        else:
            targets, table = (), ""
        for target in targets:
            if target.name == "account_id" and table not in LOCAL:
                yield "a row that changes its account"
            volatile = any(_is(part, ast.FuncCall) and _name(part) in _VOLATILE for part in _walk(target.val))
            if volatile and table not in LOCAL:
                yield "the server's clock or chance in an update"
        if _is(node, ast.MergeStmt) and not _has_account_equality(node.joinCondition):
            yield "a change by another table without the account"
        if _is(node, ast.UpdateStmt) and node.fromClause and not _has_account_equality(node.whereClause):
            yield "a change by another table without the account"
        if _is(node, ast.DeleteStmt) and node.usingClause and not _has_account_equality(node.whereClause):
            yield "a change by another table without the account"


def _everywhere(statement: Node) -> Iterator[str]:
    for node in _walk(statement):
        if _is(node, ast.GroupingSet):
            yield "grouping sets"
        if _is(node, ast.CreateTrigStmt):
            yield "a trigger"
        if _is(node, ast.ColumnRef) and _last(node) in {"ctid", "tableoid"}:
            yield "places of rows"
        if _is(node, ast.AlterPolicyStmt, ast.CreatePolicyStmt) and any(
            _is(part, ast.SubLink) for part in _walk(node.qual)
        ):
            yield "a policy with a subquery"
        if _is(node, ast.AlterTableCmd) and getattr(node.def_, "concurrent", False):
            yield "concurrent detaching"
        if (
            _is(node, ast.SelectStmt)
            and node.fromClause
            and all(map(_is_computed, map(_first, node.fromClause)))
            and any(map(_reads_other_accounts, _subqueries_of_computed_rows(node)))
        ):
            yield "a subquery of several accounts for each computed row"
        if _returns_function(node):
            yield "a function among the columns that a change returns"
        if _binds_account(node) and any(map(_reads_other_accounts, _kept_subqueries(node))):
            yield "a subquery that asks every node, in a statement of one account"


def _returns_function(node: Node) -> bool:
    """Whether a change of a distributed table returns more than columns; a cluster accepts immutable functions only."""
    changes = _is(node, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt) and node.relation.relname not in LOCAL
    return changes and any(_is(part, ast.FuncCall) for part in _walk(node.returningClause))


def _first(item: Node) -> Node:
    """The leftmost item of joined ones."""
    while _is(item, ast.JoinExpr):
        item = item.larg
    return item


def _is_computed(item: Node) -> bool:
    """Whether an item of FROM is planned before the nodes are asked: it is no part of each account's rows."""
    if not _is(item, ast.RangeSubselect):
        return _is(item, ast.RangeFunction)
    query = item.subquery
    grouping = (*(query.groupClause or ()), *(query.distinctClause or ()))
    return _is_limited(query) or (bool(grouping) and "account_id" not in map(_last, grouping))


def _subqueries_of_computed_rows(query: Node) -> Iterator[Node]:
    """Subqueries that a cluster cannot turn into joins. Rows of a function are never joined: all of its subqueries."""
    if all(_is(item, ast.RangeFunction) for item in query.fromClause):
        yield from (node.subselect for node in _walk(query.whereClause) if _is(node, ast.SubLink))
    yield from _kept_subqueries(query)


def _kept_subqueries(query: Node) -> Iterator[Node]:
    """Subqueries that PostgreSQL does not turn into joins: those in the result, and those below OR."""
    for part in getattr(query, "targetList", None) or ():
        yield from (node.subselect for node in _walk(part) if _is(node, ast.SubLink))
    for either in _walk(query.whereClause):
        if _is(either, ast.BoolExpr) and either.boolop is BoolExprType.OR_EXPR:
            yield from (node.subselect for node in _walk(either) if _is(node, ast.SubLink))


def _reads_other_accounts(query: Node) -> bool:
    reads = any(_is(node, ast.RangeVar) and node.relname in DISTRIBUTED for node in _walk(query))
    return reads and not _binds_account(query)


def _scopes(statement: Node) -> Iterator[_Scope]:
    """The scopes of a statement, the outermost first."""
    pending: list[tuple[Node, frozenset[str]]] = [(statement, frozenset())]
    while pending:
        root, known = pending.pop()
        names = known | {node.ctename for node in _walk(root) if _is(node, ast.CommonTableExpr)}
        recursive = any(_is(node, ast.WithClause) and node.recursive for node in _walk(root))
        uses = [node.relname for node in _walk(root) if _is(node, ast.RangeVar)]
        nodes: list[Node] = []
        open_nodes = [root]
        while open_nodes:
            node = open_nodes.pop()
            parts = [] if recursive else _materialized(node, uses, is_root=node is root)
            if parts:
                pending += [(part, names) for part in parts]
                continue
            nodes.append(node)
            open_nodes += _children(node)
        targets = {id(node.relation) for node in nodes if _is(node, ast.InsertStmt)}
        yield _Scope(
            tuple(
                node.relname
                for node in nodes
                if _is(node, ast.RangeVar) and node.relname not in names and id(node) not in targets
            ),
            tuple(node for node in nodes if _is(node, ast.JoinExpr)),
            tuple(node for node in nodes if _is(node, ast.RangeSubselect)),
            any(_binds_account(node) for node in nodes),
            recursive,
        )


def _materialized(node: Node, uses: list[str], *, is_root: bool) -> list[Node]:
    """Parts below a node that are planned on their own; none if the node belongs to its scope."""
    if _is(node, ast.CommonTableExpr):
        always = node.ctematerialized is CTEMaterialize.CTEMaterializeAlways
        return [node.ctequery] if always or uses.count(node.ctename) > 1 else []
    if _is(node, ast.RangeSubselect) and _is_limited(node.subquery):
        return [node.subquery]
    if _is(node, ast.SelectStmt) and node.larg is not None:
        return [node.larg, node.rarg, *((node.withClause,) if node.withClause else ())]
    if is_root and _is(node, ast.SelectStmt) and not (node.fromClause or node.valuesLists or node.withClause):
        return [part.subselect for part in _walk(node) if _is(part, ast.SubLink)]
    return []


def _kind(table: str) -> str:
    if table in REFERENCE:
        return "copied"
    return "coordinator" if table in LOCAL or _CATALOGUE.match(table) else "distributed"


def _tables_of(node: Node) -> set[str]:
    """Tables that an item of FROM reads; a materialized part counts as none."""
    if _is(node, ast.RangeSubselect) and _is_limited(node.subquery):
        return set()
    return {part.relname for part in _walk(node) if _is(part, ast.RangeVar) and _is_table(part.relname)}


def _is_table(name: str) -> bool:
    return name in REFERENCE | LOCAL | DISTRIBUTED or bool(_CATALOGUE.match(name))


DISTRIBUTED: Final = frozenset(
    {
        "account_changes", "batches", "break_decisions", "break_notes", "cdr", "cdr_history", "cdr_keys",
        "cdr_link_stage", "cdr_links",
        "cdr_merged", "cdr_stage", "credit_notes", "day_events", "days", "decision_rules", "deliveries",
        "erased_records", "erasures", "export_files", "invoice_lines", "invoices", "long_values", "reconciled_calls",
        "reconciliations", "rejects", "removed_calls", "removed_months", "removed_records", "retained_totals",
        "retention_policies", "upload_names", "uploads", "windows",
    }
)  # fmt: skip


def _has_no_source(item: Node) -> bool:
    query = item.subquery
    return not (query.fromClause or query.larg or query.valuesLists)


def _is_limited(query: Any) -> bool:
    return query.limitCount is not None or query.limitOffset is not None


def _joins_accounts(join: Node) -> bool:
    if any(column.sval == "account_id" for column in join.usingClause or ()):
        return True
    return _has_account_equality(join.quals)


def _has_account_equality(condition: Node) -> bool:
    """Whether a condition compares the account of two tables, or of one with a parameter."""
    return any(_is_equality(node) and "account_id" in map(_last, (node.lexpr, node.rexpr)) for node in _walk(condition))


def _binds_account(node: Node) -> bool:
    """Whether a condition limits a statement to the account of a parameter."""
    if not _is(node, ast.SelectStmt, ast.UpdateStmt, ast.DeleteStmt) or node.whereClause is None:
        return False
    condition = node.whereClause
    terms = (
        condition.args if _is(condition, ast.BoolExpr) and condition.boolop is BoolExprType.AND_EXPR else (condition,)
    )
    return any(
        _is_equality(term) and _last(term.lexpr) == "account_id" and _is(term.rexpr, ast.ParamRef) for term in terms
    )


def _is_equality(node: Node) -> bool:
    return _is(node, ast.A_Expr) and node.kind is A_Expr_Kind.AEXPR_OP and node.name[-1].sval == "="


def _last(node: Node) -> str:
    fields = getattr(node, "fields", None)
    return getattr(fields[-1], "sval", "") if fields else ""


def _name(call: Node) -> str:
    return call.funcname[-1].sval


def _is(node: Node, *kinds: type[ast.Node]) -> bool:
    return isinstance(node, kinds)


def _walk(node: Node) -> Iterator[Node]:
    if _is(node, ast.Node):
        yield node
        for child in _children(node):
            yield from _walk(child)


def _children(node: Node) -> Iterator[Node]:
    for attribute in node:
        value = getattr(node, attribute)
        for item in value if isinstance(value, tuple) else (value,):
            if _is(item, ast.Node):
                yield item
            elif isinstance(item, tuple):
                yield from (part for part in item if _is(part, ast.Node))
