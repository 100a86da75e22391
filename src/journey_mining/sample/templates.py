"""The texts that go with every sample: README.md and journey.yaml."""

from __future__ import annotations

README = """\
# Sample company

A shop that does not exist, with {customers:,} customers over {days} days from {first_day} on, seen through the exports
of four systems. Everything here is synthetic: drawn from a seeded random generator, with invented names, addresses
under example.com, example.org and example.net, and phone numbers from blocks kept for fiction.

Made by, and made again byte for byte by:

    {command}

Read it with:

    journey-mining run --config journey.yaml

| folder | what | as exported by |
| --- | --- | --- |
| web/ | {web_lines:,} events in daily tables, company zone Europe/Berlin | Google Analytics 4, BigQuery export |
| crm/ | {contacts:,} contacts, {deals:,} deals, {email_events:,} e-mail events, {forms:,} form submissions | HubSpot |
| support/ | {users:,} users, {tickets:,} tickets with their audits and ratings | Zendesk |
| survey/ | {answers:,} answers to an NPS and a CES survey, zone America/New_York | Qualtrics |
| truth/ | what the generator knows, for checking results; not an input | |

## What is planted

- One person, many identifiers: several devices and cleared cookies, joined by logins; the shop's user id is also
  HubSpot's `customer_id` and Zendesk's `external_id`; cookies that never log in; merged HubSpot contacts.
- Family devices on which two people log in; the inbox support@example.com from which more than 20 people write;
  placeholders ('undefined', 'test@test.com') where an identifier should be; visitors who denied
  consent, whose events must not be read.
- Both time zones change to summer time in the period; shopping has its weekly and daily rhythm.
- The payment step fails on mobile devices: `checkout_error`, and far fewer purchases after it.
- A first reply after more than 48 hours costs repeat purchases, ratings and recommendations.
- paid_social never comes last before a purchase, but raises the purchases of later visits.
- Web lines delivered twice, in a later day's file, broken, or refused: counted per file in truth/ledger.csv.

truth/planted.json gives each effect's parameters and its size in this draw. truth/identifiers.csv says whose each
identifier is (`true_customer`) and which of them the exports can join (`linked_group`; a device with two accounts
joins nobody). truth/journeys.csv and truth/sessions.csv hold the journeys (30 days) and sessions (30 minutes) of
contacts, `is_fully_linked` where a reader of the exports can know the whole of the customer.
"""

JOURNEY_YAML = """\
# The sample company: four exports, one configuration. Run it with: journey-mining run --config journey.yaml
home: ./journeys
timezone: Europe/Berlin
goal: purchase

sources:
  web: {{system: ga4, path: web/*.{web_suffix}}}
  crm: {{system: hubspot, path: crm/}}
  support: {{system: zendesk, path: support/*.json}}
  # Qualtrics writes local times without a zone into its cells.
  survey: {{system: qualtrics, path: survey/*.csv, timezone: America/New_York}}

sessions: {{inactivity: 30 minutes, by: customer}}
journeys: {{expiry: 30 days, ends_on: expiry}}
stages: [awareness, consideration, purchase, retention, advocacy]

# The first rule that holds names the event. Background events are kept, but are neither steps nor activity.
touchpoints:
  # What tags and mail systems send by themselves.
  - {{name: page tag, background: true,
     when: "source = 'web' and event_name in ('session_start', 'first_visit', 'scroll', 'user_engagement')"}}
  - {{name: newsletter delivery, background: true,
     when: "source = 'crm' and event_name in ('email sent', 'email delivered', 'email bounced', 'email opened')"}}

  # What systems write down about contacts and tickets.
  - {{name: contact record, background: true, when: "source = 'crm' and object_type = 'contact'"}}
  - {{name: ticket record, background: true, when: "source = 'support' and initiator = 'system'"}}

  # Becoming aware.
  - {{name: home page, stage: awareness, when: "source = 'web' and event_name = 'page_view' and page_path = '/'"}}
  - {{name: blog, stage: awareness, when: "event_name = 'page_view' and page_path like '/blog/%'"}}
  - {{name: campaign page, stage: awareness, when: "event_name = 'page_view' and page_path like '/lp/%'"}}
  - {{name: newsletter click, stage: awareness, when: "source = 'crm' and event_name = 'email clicked'"}}

  # Comparing and deciding.
  - {{name: category page, stage: consideration,
     when: "event_name = 'view_item_list' or (event_name = 'page_view' and page_path like '/category/%')"}}
  - {{name: search, stage: consideration,
     when: "event_name = 'view_search_results' or (event_name = 'page_view' and page_path like '/search%')"}}
  - {{name: product page, stage: consideration,
     when: "event_name = 'view_item' or (event_name = 'page_view' and page_path like '/product/%')"}}
  - {{name: delivery information, stage: consideration, when: "event_name = 'page_view' and page_path like '/help/%'"}}
  # The CRM's form submissions name the page of the form.
  - {{name: sign in, stage: consideration, when: "event_name in ('login', 'sign_up') or page_path in ('/login', '/signup')"}}
  - {{name: lead form, stage: consideration,
     when: "event_name = 'generate_lead' or page_path = '/contact' or (source = 'crm' and object_type = 'form')"}}
  - {{name: sales follow-up, stage: consideration, when: "source = 'crm' and object_type = 'deal'"}}
  - {{name: add to cart, stage: consideration, when: "event_name = 'add_to_cart'"}}
  - {{name: cart, stage: consideration, when: "event_name = 'page_view' and page_path = '/cart'"}}
  - {{name: checkout, stage: consideration,
     when: "event_name in ('begin_checkout', 'add_shipping_info')
            or (event_name = 'page_view' and page_path = '/checkout')"}}
  - {{name: payment, stage: consideration, when: "event_name = 'add_payment_info'"}}
  - {{name: checkout error, stage: consideration, when: "event_name = 'checkout_error'"}}

  # The goal.
  - {{name: purchase, stage: purchase, when: "event_name = 'purchase'"}}

  # Staying.
  - {{name: account, stage: retention, when: "event_name = 'page_view' and page_path like '/account/%'"}}
  - {{name: support rating, stage: retention, when: "source = 'support' and score_kind = 'csat'"}}
  - {{name: ticket solved, stage: retention,
     when: "source = 'support' and object_type = 'ticket' and status = 'solved'"}}
  - {{name: agent reply, stage: retention, when: "source = 'support' and initiator = 'company'"}}
  - {{name: support request, stage: retention, when: "source = 'support' and initiator = 'customer'"}}
  - {{name: survey answer, stage: retention, when: "source = 'survey'"}}
  - {{name: unsubscribe, stage: retention, when: "source = 'crm' and event_name = 'email unsubscribed'"}}

  # Telling others.
  - {{name: review, stage: advocacy, when: "event_name = 'write_review'"}}
  - {{name: referral, stage: advocacy, when: "event_name = 'refer_friend'"}}

report: {{title: The sample company's customer journeys, min_cell: 5}}
"""
