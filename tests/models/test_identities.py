"""Models of identity: identity_keys, identifiers, identity_flags, identity_links, identities, identity_customers."""

from __future__ import annotations

import pytest

from worlds import Lab

OWNERS = "select event_id, customer_id from events"


def test_an_event_with_two_identifiers_joins_them(lab: Lab) -> None:
    """The cookie's earlier event belongs to the account; the earliest identifier names the customer."""
    lab.live("""
    at    | customer      | event
    09:00 | cookie:k      | ad
    09:01 | cookie:k+anna | page
    09:02 | anna          | cart
    """)
    lab.expect(
        OWNERS,
        """
    event_id | customer_id
    e1       | cookie:k
    e2       | cookie:k
    e3       | cookie:k
    """,
        order="event_id",
    )


def test_links_reach_over_several_hops(lab: Lab) -> None:
    """A chain of pairs is one customer, whatever the order of its events."""
    lab.live("""
    at    | customer              | event
    09:04 | contact_id:7+phone:49 | call
    09:03 | email:a+contact_id:7  | form
    09:02 | cookie:k+email:a      | page
    09:01 | cookie:k              | ad
    09:05 | phone:49+cookie:m     | page
    """)
    lab.expect(
        "select distinct customer_id from events",
        """
    customer_id
    cookie:k
    """,
    )


def test_a_merge_record_joins_two_identifiers(lab: Lab) -> None:
    """A background event that carries two contact ids is evidence like any other."""
    lab.live("""
    at    | customer                  | event | background
    09:00 | contact_id:1              | form  |
    09:01 | contact_id:2              | form  |
    09:02 | contact_id:1+contact_id:2 | merge | yes
    """)
    lab.expect(
        "customers",
        """
    customer_id  | event_count | identifier_count
    contact_id:1 | 3           | 2
    """,
    )


def test_two_accounts_on_one_device_stay_apart(lab: Lab) -> None:
    """A cookie with two user ids is shared: it joins nobody, and each event goes to the account that it carries."""
    lab.live("""
    at    | customer      | event
    09:00 | cookie:k      | ad
    09:01 | cookie:k+anna | page
    09:02 | cookie:k+ben  | page
    """)
    lab.expect(
        OWNERS,
        """
    event_id | customer_id
    e1       | cookie:k
    e2       | anna
    e3       | ben
    """,
        order="event_id",
    )
    lab.expect(
        "identity_flags",
        """
    identifier_hash | identifier_type | reason | link_count | event_count
    cookie:k        | cookie          | shared | 2          | 3
    """,
    )
    lab.expect(
        "customers",
        """
    customer_id | is_flagged
    anna        | no
    ben         | no
    cookie:k    | yes
    """,
        order="is_flagged, event_count, first_seen_at",
    )


def test_more_accounts_are_allowed_on_request(lab: Lab) -> None:
    """With `max_user_ids: 2` the same device joins both accounts."""
    lab.live(
        """
    at    | customer      | event
    09:01 | cookie:k+anna | page
    09:02 | cookie:k+ben  | page
    """,
        identity={"max_user_ids": 2},
    )
    assert len(lab.rows("from customers")) == 1


def test_accounts_that_were_merged_are_one_customer(lab: Lab) -> None:
    """max_user_ids is about devices: an account that was merged with two others is no device."""
    lab.live(
        """
    at    | customer      | event
    09:00 | anna+anna_old | merge
    09:01 | anna+anna_new | merge
    """
    )
    lab.expect(
        "customers",
        """
    event_count | identifier_count | is_flagged
    2           | 3                | no
    """,
    )


@pytest.mark.parametrize("device", ["k", "m", "n", "o", "p"])
def test_of_shared_identifiers_the_most_specific_counts(lab: Lab, device: str) -> None:
    """An event that carries a shared inbox and a shared device is the inbox's."""
    lab.live(
        f"""
    at    | customer                | event
    09:00 | email:a+anna            | page
    09:01 | email:a+ben             | page
    09:02 | cookie:{device}+anna    | page
    09:03 | cookie:{device}+ben     | page
    09:04 | cookie:{device}+email:a | page
    """
    )
    lab.expect(
        "from events where line = 5",
        """
    customer_id
    email:a
    """,
    )


def test_one_account_may_have_many_devices(lab: Lab) -> None:
    """Devices of one account are no accounts of one device."""
    lab.live("""
    at    | customer      | event
    09:01 | cookie:k+anna | page
    09:02 | cookie:m+anna | page
    """)
    lab.expect(
        "customers",
        """
    event_count | identifier_count
    2           | 3
    """,
    )


def test_an_inbox_that_is_linked_too_often_is_shared(lab: Lab) -> None:
    """More than max_links identifiers of one kind; exactly as many are not too many."""
    log = """
    at    | customer         | event
    09:00 | email:a+cookie:1 | page
    09:01 | email:a+cookie:2 | page
    09:02 | email:a+cookie:3 | page
    """
    lab.live(log, identity={"max_links": 3})
    assert len(lab.rows("from customers")) == 1
    lab.live(log, identity={"max_links": 2})
    lab.expect(
        "identity_flags",
        """
    identifier_hash | reason | link_count
    email:a         | shared | 3
    """,
    )
    lab.expect(
        OWNERS,
        """
    event_id | customer_id
    e1       | cookie:1
    e2       | cookie:2
    e3       | cookie:3
    """,
        order="event_id",
    )


def test_an_event_goes_to_its_most_specific_identifier(lab: Lab) -> None:
    """Account before contact before e-mail before phone before cookie, of those that are not shared."""
    lab.live("""
    at    | customer              | event
    09:00 | cookie:k+anna         | page
    09:01 | cookie:k+ben          | page
    09:02 | cookie:k+email:c      | page
    09:03 | email:c               | page
    """)
    lab.expect(
        OWNERS,
        """
    event_id | customer_id
    e1       | anna
    e2       | ben
    e3       | email:c
    e4       | email:c
    """,
        order="event_id",
    )


def test_poisoned_values_name_nobody(lab: Lab) -> None:
    """They are listed, join nobody, and an event with nothing else is nobody's."""
    lab.live("""
    at    | customer        | event
    09:00 | email:null+anna | page
    09:01 | email:null+ben  | page
    09:02 | email:null      | page
    """)
    lab.expect(
        OWNERS,
        """
    event_id | customer_id
    e1       | anna
    e2       | ben
    e3       |
    """,
        order="event_id",
    )
    lab.expect(
        "identity_flags",
        """
    identifier_hash | reason   | event_count
    email:null      | poisoned | 3
    """,
    )


def test_what_is_seen_together_after_the_cutoff_links_nothing(lab: Lab) -> None:
    """Evidence of the future does not change the past, though both identifiers are known."""
    log = """
    at    | customer      | event
    08:59 | ben           | page
    09:00 | cookie:k      | ad
    09:01 | anna          | page
    09:02 | cookie:k+anna | page
    09:03 | cookie:k+ben  | page
    """
    lab.live(log, cutoff="09:01")
    assert (len(lab.rows("from customers")), lab.rows("from identity_links")) == (3, [])
    lab.live(log, cutoff="09:02")
    assert (len(lab.rows("from customers")), lab.rows("from identity_flags")) == (2, [])


def test_equal_first_times_are_decided_by_the_hash(lab: Lab) -> None:
    """The name of a customer does not depend on the order of rows."""
    first = lab.live("at | customer | event\n09:00 | anna+email:a | x").rows("from customers")[0][
        "customer_id"
    ]
    second = lab.live("at | customer | event\n09:00 | email:a+anna | x").rows("from customers")[0][
        "customer_id"
    ]
    assert first == second == min(row["identifier_hash"] for row in lab.rows("from identifiers"))


def test_each_combination_is_counted_up_to_the_cutoff(lab: Lab) -> None:
    """The model identity_keys says since when a combination is known."""
    lab.live(
        """
    at    | customer | event
    09:01 | anna     | page
    09:00 | anna     | page
    09:02 | anna     | page
    09:02 | ben      | page
    09:00 |          | page
    """,
        cutoff="09:01",
    )
    lab.expect(
        "select make_timestamp(first_seen_us) as first_seen_at, event_count from identity_keys",
        """
    first_seen_at | event_count
    03-02 09:00   | 2
    """,
    )
    lab.expect(
        "select event_count, is_poisoned from identifiers",
        """
    event_count | is_poisoned
    2           | no
    """,
    )
