"""Touchpoint rules: `when:` predicates of journey.yaml, checked against an allow-list and applied to signatures."""

from __future__ import annotations

import duckdb

from journey_mining.config import Config, Touchpoint, locate
from journey_mining.errors import ConfigError
from journey_mining.predicates import write_predicate
from journey_mining.warehouse import BLAMELESS, Warehouse, first_line

RULE_COLUMNS = (
    "source", "system", "event_name", "initiator", "is_background", "channel", "device", "page_path", "object_type",
    "status", "campaign_source", "campaign_medium", "score_kind", "given_touchpoint", "given_stage",
)  # fmt: skip
"""Columns of a signature that a predicate may name."""


def match_rules(warehouse: Warehouse, config: Config) -> int:
    """Create the rule tables and matched_rules(signature_id, rule_number); returns how many signatures matched."""
    _create_rules(warehouse, config)
    predicates = [_checked(config, number, rule) for number, rule in enumerate(config.touchpoints)]
    cases = " ".join(f"when {predicate} then {number}" for number, predicate in enumerate(predicates, 1))
    choice = f"case {cases} end" if cases else "null::integer"
    described = "select s.*, c.system from signatures as s inner join configured_sources as c using (source)"
    try:
        warehouse.execute(
            "create or replace table store.main.matched_rules as "
            f"select signature_id, rule_number from (select signature_id, {choice} as rule_number from ({described})) "
            "where rule_number is not null"
        )
    except BLAMELESS:
        raise
    except duckdb.Error as error:
        for number, predicate in enumerate(predicates):
            try:
                warehouse.value(f"select count(*) from ({described}) where {predicate}")
            except duckdb.Error as reason:
                raise _unanswerable(config, number, reason) from error
        raise
    return int(warehouse.value("select count(*) from matched_rules"))


def check_rules(config: Config) -> None:
    """Raise ConfigError when a predicate is no predicate, names what a signature does not have, or cannot be asked."""
    listed = ", ".join(
        f"cast(null as {'boolean' if name == 'is_background' else 'varchar'}) as {name}"
        for name in RULE_COLUMNS
    )
    with duckdb.connect() as connection:
        for number, rule in enumerate(config.touchpoints):
            predicate = _checked(config, number, rule)
            try:
                connection.execute(f"select count(*) from (select {listed}) where {predicate}")
            except duckdb.Error as error:
                raise _unanswerable(config, number, error) from error


def _unanswerable(config: Config, number: int, error: duckdb.Error) -> ConfigError:
    rule = config.touchpoints[number]
    return ConfigError(
        f"{locate(config.path, 'touchpoints', number, 'when')}: the rule '{rule.name}' cannot be evaluated.",
        found=first_line(error),
        expected="a condition that is true, false or unknown of every event",
        fix="correct `when:`; compare texts with texts; see the columns in README.md",
    )


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
    subject = f"{where}: the rule '{rule.name}'"
    return write_predicate(rule.when, RULE_COLUMNS, ("is_background",), subject, ConfigError)
