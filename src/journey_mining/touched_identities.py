"""The renewal of identities: by combination, by identifier, by component of links."""

from __future__ import annotations

from dataclasses import dataclass

from journey_mining.identity import contract_links
from journey_mining.touched import TouchedTables


@dataclass
class TouchedIdentities(TouchedTables):
    """The identity tables of one run's renewal, and which customers they touch."""

    def renew_identities(self) -> int:
        """Renew the identity tables and write touched_customers; returns the rounds of contraction."""
        self._set("touched_keys", "select identity_key from changed_events where identity_key is not null")
        self._set(
            "touched_customers",
            "select customer_id from identity_customers semi join touched_keys using (identity_key)",
        )
        self._set(
            "keys_new",
            "select identity_key from touched_keys anti join store.main.identity_keys using (identity_key)",
        )
        self._renew_within(
            "identity_keys", "touched_keys", staged_events="semi join touched_keys using (identity_key)"
        )
        # Those of touched customers that no combination names any more were erased; those of a combination that is gone
        # may still be in others.
        self._set(
            "touched_identifiers",
            """select identifier_hash from identifier_sets semi join touched_keys using (identity_key)
            union all
            select identifier_hash from orphaned_identifiers
            union all
            select identifier_hash from (select * from identities semi join touched_customers using (customer_id))
            anti join identifier_sets using (identifier_hash)""",
        )
        self._renew_flags()
        self._widen_to_components()
        rounds = self._renew_links()
        self._renew_owners()
        return rounds

    def _renew_flags(self) -> None:
        """Renew identifiers and their flags; what a changed flag links or parts is touched too."""
        self._set_keys_of("keys_seen", "touched_identifiers")
        seen = "semi join keys_seen using (identity_key)"
        self._renew_within("identifiers", "touched_identifiers", identifier_sets=seen)
        self._set(
            "flags_before",
            "select identifier_hash from identity_flags semi join touched_identifiers using (identifier_hash)",
        )
        self._renew_within("identity_flags", "touched_identifiers", identifier_sets=seen)
        self._set(
            "flags_turned",
            """select coalesce(b.identifier_hash, r.identifier_hash) as identifier_hash
            from flags_before as b full outer join renewed_identity_flags as r using (identifier_hash)
            where b.identifier_hash is null or r.identifier_hash is null""",
        )
        self._set_keys_of("keys_turned", "flags_turned")
        self._set(
            "touched_identifiers",
            """select identifier_hash from touched_identifiers
            union all select identifier_hash from identifier_sets semi join keys_turned using (identity_key)""",
        )

    def _widen_to_components(self) -> None:
        """Every identifier of a component that has a touched one, as it was, is touched."""
        self._set(
            "parted_customers",
            "select customer_id from identities semi join touched_identifiers using (identifier_hash)",
        )
        self._set(
            "touched_identifiers",
            """select identifier_hash from touched_identifiers
            union all select identifier_hash from identities semi join parted_customers using (customer_id)""",
        )

    def _renew_links(self) -> int:
        self._set(
            "trusted_identifiers",
            "select identifier_hash from touched_identifiers anti join identity_flags using (identifier_hash)",
        )
        self._set_keys_of("keys_trusted", "trusted_identifiers")
        self._renew_within(
            "identity_links",
            "touched_identifiers",
            identifier_sets="semi join keys_trusted using (identity_key)",
        )
        rounds = contract_links(
            self.warehouse, "select left_hash as a, right_hash as b from renewed_identity_links"
        )
        self._shadow(
            "renewed_components", "select node as identifier_hash, root as component_hash from labels"
        )
        self._replace_differing(
            "store.main.identity_components",
            "identifier_hash",
            "touched_identifiers",
            "renewed_components",
            ("identifier_hash",),
        )
        self._drop(["renewed_components"])
        return rounds

    def _renew_owners(self) -> None:
        """Renew which customer each identifier and each combination belongs to."""
        touched = "semi join touched_identifiers using (identifier_hash)"
        self._set("identities_before", f"select * from identities {touched}")
        self._renew_within(
            "identities", "touched_identifiers", identifiers=touched, identity_components=touched
        )
        self._set(
            "moved_identifiers",
            """select * from (
                (select * from identities_before except select * from renewed_identities)
                union all (select * from renewed_identities except select * from identities_before))""",
        )
        self._set_keys_of("keys_moved", "moved_identifiers")
        self._set(
            "touched_keys",
            "select identity_key from touched_keys union all select identity_key from keys_moved",
        )
        keys = "semi join touched_keys using (identity_key)"
        self._set(
            "touched_customers",
            f"""select customer_id from touched_customers
            union all select customer_id from moved_identifiers
            union all select customer_id from identity_customers {keys}""",
        )
        self._set("owners_before", f"select identity_key, customer_id from identity_customers {keys}")
        self._renew_within("identity_customers", "touched_keys", identifier_sets=keys)
        # Whose events of before are others': those of a combination that has another owner, but for one without any.
        self._set(
            "unsettled_customers",
            """select unnest([b.customer_id, n.customer_id]) as customer_id
            from owners_before as b full outer join renewed_identity_customers as n using (identity_key)
            where b.customer_id is distinct from n.customer_id
                and identity_key not in (select identity_key from keys_new)""",
        )
        self._set(
            "touched_customers",
            """select customer_id from touched_customers
            union all select customer_id from renewed_identity_customers""",
        )
