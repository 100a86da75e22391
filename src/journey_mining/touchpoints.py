"""Touchpoint rules: `when:` predicates of journey.yaml, checked against an allow-list and applied to signatures."""

from __future__ import annotations

import difflib

import duckdb
import sqlglot
from sqlglot import expressions as exp

from journey_mining.config import Config, Touchpoint, locate
from journey_mining.errors import ConfigError
from journey_mining.warehouse import Warehouse, first_line, quoted

RULE_COLUMNS = (
    "source", "system", "event_name", "initiator", "is_background", "channel", "device", "page_path", "object_type",
    "status", "campaign_source", "campaign_medium", "score_kind", "given_touchpoint", "given_stage",
)  # fmt: skip
"""Columns of a signature that a predicate may name."""
RULE_NODES: tuple[type[exp.Expr], ...] = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null,
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Is, exp.Like, exp.ILike,
    exp.RegexpLike, exp.RegexpFullMatch, exp.Lower, exp.Upper, exp.Trim, exp.Coalesce, exp.StartsWith,
    exp.EndsWith, exp.Contains, exp.Escape, exp.Length, exp.Tuple,
)  # fmt: skip


def match_rules(warehouse: Warehouse, config: Config) -> int:
    """Create the rule tables and matched_rules(signature_id, rule_number); returns how many signatures matched."""
    _create_rules(warehouse, config)
    cases = " ".join(
        f"when {_checked(config, number, rule)} then {number + 1}"
        for number, rule in enumerate(config.touchpoints)
    )
    choice = f"case {cases} end" if cases else "null::integer"
    try:
        warehouse.execute(
            "create or replace table store.main.matched_rules as "
            f"select signature_id, rule_number from (select signature_id, {choice} as rule_number from "
            "(select s.*, c.system from signatures as s inner join configured_sources as c using (source))) "
            "where rule_number is not null"
        )
    except duckdb.Error as error:
        raise ConfigError(
            f"{config.path}: a touchpoint rule cannot be evaluated: {first_line(error)}.",
            fix="compare texts with texts; see the columns in README.md",
        ) from error
    return int(warehouse.value("select count(*) from matched_rules"))


def check_rules(config: Config) -> None:
    """Raise ConfigError when a predicate is no predicate, or names what a signature does not have."""
    for number, rule in enumerate(config.touchpoints):
        _checked(config, number, rule)


def _create_rules(warehouse: Warehouse, config: Config) -> None:
    warehouse.execute(
        "create or replace table store.main.touchpoint_rules "
        "(rule_number integer, rule_text varchar, touchpoint varchar, stage varchar, channel varchar, is_background boolean)"
    )
    for number, rule in enumerate(config.touchpoints, 1):
        warehouse.execute(
            "insert into store.main.touchpoint_rules values ($number, $text, $name, $stage, $channel, $background)",
            {
                "number": number,
                "text": f"{number}: {rule.when}",
                "name": rule.name,
                "stage": rule.stage,
                "channel": rule.channel,
                "background": True if rule.background else None,
            },
        )
    warehouse.execute("create or replace table store.main.counted_steps (touchpoint varchar)")
    for name in sorted(set(config.journeys.steps)):
        warehouse.execute("insert into store.main.counted_steps values ($name)", {"name": name})


def _checked(config: Config, number: int, rule: Touchpoint) -> str:
    """The predicate as DuckDB SQL, made anew from its parsed and allowed form."""
    where = locate(config.path, "touchpoints", number, "when")
    try:
        tree = sqlglot.parse_one(rule.when, dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        problem = str(error).split("\n", 1)[0]
        raise ConfigError(
            f"{where}: the rule '{rule.name}' is not a SQL predicate: {problem}",
            found=rule.when,
            fix="write for example: source = 'web' and page_path like '/pricing%'",
        ) from error
    for node in tree.walk():
        _check_node(node, where, rule)
    is_text = isinstance(tree, exp.Column) and tree.name.lower() != "is_background"
    if is_text or not isinstance(tree, RULE_PREDICATES):
        raise ConfigError(
            f"{where}: the rule '{rule.name}' is not true or false.",
            found=rule.when,
            fix="compare a column: event_name = 'purchase'",
        )
    return f"({tree.sql(dialect='duckdb', comments=False)})"


RULE_PREDICATES = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Is,
    exp.Like, exp.ILike, exp.RegexpLike, exp.RegexpFullMatch, exp.StartsWith, exp.EndsWith, exp.Contains, exp.Boolean,
    exp.Column, exp.Escape,
)  # fmt: skip


def _check_node(node: exp.Expr, where: str, rule: Touchpoint) -> None:
    if isinstance(node, exp.Column):
        name = node.name.lower()
        if name not in RULE_COLUMNS or node.table:
            near = difflib.get_close_matches(name, RULE_COLUMNS, 1)
            raise ConfigError(
                f"{where}: the rule '{rule.name}' names the unknown column {quoted(node.sql())}.",
                expected="one of " + ", ".join(RULE_COLUMNS),
                fix=f"did you mean '{near[0]}'?" if near else "use one of these columns",
            )
    elif not isinstance(node, RULE_NODES):
        raise ConfigError(
            f"{where}: the rule '{rule.name}' uses {node.key.upper()}, which a rule may not.",
            found=rule.when,
            expected="comparisons, and/or/not, in, between, like, regexp_matches, lower, upper, coalesce",
        )
