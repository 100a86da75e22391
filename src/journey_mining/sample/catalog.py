"""The shop: its pages, what each visit can consist of, its campaigns, and the touchpoint of every event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HOST = "https://shop.example.com"
PRODUCT_COUNT = 200
PRODUCT_WORDS = (
    ("Oak", "Linen", "Clay", "Copper", "Wool", "Ash", "Cork", "Slate", "Birch", "Felt"),
    ("Stool", "Lamp", "Bowl", "Shelf", "Rug", "Bench", "Vase", "Clock", "Basket", "Table"),
)
CATEGORIES = ("chairs", "lighting", "kitchen", "storage", "rugs", "garden", "office", "gifts")
BLOG_POSTS = (
    "small-rooms",
    "caring-for-wood",
    "colour-guide",
    "balcony-season",
    "gift-ideas",
    "repair-or-replace",
)
SEARCH_TERMS = (
    "oak stool",
    "desk lamp",
    "wool rug",
    "shelf",
    "gift card",
    "blue vase",
    "garden table",
    "clock",
)
LANDING_PAGES = ("spring", "outlet", "new-arrivals")

EVENT_NAMES = (
    "session_start", "first_visit", "page_view", "scroll", "user_engagement", "view_item_list", "view_search_results",
    "view_item", "login", "sign_up", "add_to_cart", "begin_checkout", "add_shipping_info", "add_payment_info",
    "checkout_error", "purchase", "write_review", "refer_friend", "generate_lead",
)  # fmt: skip
EVENT = {name: number for number, name in enumerate(EVENT_NAMES)}
AUTOMATIC = ("session_start", "first_visit", "scroll", "user_engagement")
"""Events that the tag sends by itself: no contacts."""


def _product_name(number: int) -> str:
    return f"{PRODUCT_WORDS[0][number % 10]} {PRODUCT_WORDS[1][number // 10 % 10]} {number}"


_FIXED_PAGES = (
    ("/", "Home"),
    ("/help/delivery", "Delivery and returns"),
    ("/login", "Log in"),
    ("/signup", "Open an account"),
    ("/cart", "Your cart"),
    ("/checkout", "Checkout"),
    ("/checkout/payment", "Payment"),
    ("/checkout/thank-you", "Thank you"),
    ("/account/orders", "Your orders"),
    ("/account/subscription", "Your subscription"),
    ("/contact", "Business enquiries"),
    ("/refer", "Recommend us"),
)
PAGES: tuple[tuple[str, str], ...] = (
    *_FIXED_PAGES,
    *((f"/category/{name}", name.capitalize()) for name in CATEGORIES),
    *((f"/blog/{name}", name.replace("-", " ").capitalize()) for name in BLOG_POSTS),
    *((f"/search?q={term.replace(' ', '+')}", "Search") for term in SEARCH_TERMS),
    *((f"/lp/{name}", name.replace("-", " ").capitalize()) for name in LANDING_PAGES),
    *((f"/product/{number}", _product_name(number)) for number in range(1, PRODUCT_COUNT + 1)),
)
"""Path with query, and title."""
PAGE = {path: number for number, (path, _) in enumerate(PAGES)}
FIRST_CATEGORY = PAGE[f"/category/{CATEGORIES[0]}"]
FIRST_POST = PAGE[f"/blog/{BLOG_POSTS[0]}"]
FIRST_SEARCH = PAGE["/search?q=oak+stool"]
FIRST_LANDING = PAGE[f"/lp/{LANDING_PAGES[0]}"]
FIRST_PRODUCT = PAGE["/product/1"]


@dataclass(frozen=True)
class Macro:
    """A piece of a visit: some events on one page drawn from `page_count` pages from `first_page` on."""

    events: tuple[str, ...]
    first_page: int
    page_count: int = 1


LANDED = -1
"""First page of macros that happen on the page where the visit landed."""
MACROS = {
    "start": Macro(("session_start",), LANDED),
    "first": Macro(("first_visit",), LANDED),
    "scroll": Macro(("scroll",), LANDED),
    "home": Macro(("page_view",), PAGE["/"]),
    "post": Macro(("page_view",), FIRST_POST, len(BLOG_POSTS)),
    "landing": Macro(("page_view",), FIRST_LANDING, len(LANDING_PAGES)),
    "list": Macro(("page_view", "view_item_list"), FIRST_CATEGORY, len(CATEGORIES)),
    "search": Macro(("page_view", "view_search_results"), FIRST_SEARCH, len(SEARCH_TERMS)),
    "item": Macro(("page_view", "view_item"), FIRST_PRODUCT, PRODUCT_COUNT),
    "delivery": Macro(("page_view",), PAGE["/help/delivery"]),
    "engage": Macro(("user_engagement",), PAGE["/"]),
    "login": Macro(("page_view", "login"), PAGE["/login"]),
    "sign_up": Macro(("page_view", "sign_up"), PAGE["/signup"]),
    "add": Macro(("add_to_cart",), FIRST_PRODUCT, PRODUCT_COUNT),
    "cart": Macro(("page_view",), PAGE["/cart"]),
    "checkout": Macro(("page_view", "begin_checkout", "add_shipping_info"), PAGE["/checkout"]),
    "pay": Macro(("add_payment_info",), PAGE["/checkout/payment"]),
    "error": Macro(("checkout_error",), PAGE["/checkout/payment"]),
    "purchase": Macro(("purchase",), PAGE["/checkout/thank-you"]),
    "orders": Macro(("page_view",), PAGE["/account/orders"]),
    "subscription": Macro(("page_view",), PAGE["/account/subscription"]),
    "review": Macro(("write_review",), FIRST_PRODUCT, PRODUCT_COUNT),
    "refer": Macro(("refer_friend",), PAGE["/refer"]),
    "lead": Macro(("page_view", "generate_lead"), PAGE["/contact"]),
}
MACRO = {name: number for number, name in enumerate(MACROS)}

TOUCHPOINTS = (
    "home page", "blog", "campaign page", "newsletter click", "category page", "search", "product page",
    "delivery information", "sign in", "lead form", "add to cart", "cart", "checkout", "payment", "checkout error",
    "purchase", "account", "support request", "agent reply", "ticket solved", "support rating", "survey answer",
    "sales follow-up", "unsubscribe", "review", "referral",
)  # fmt: skip
"""High-level contacts, named as in the sample's journey.yaml."""
TOUCHPOINT = {name: number for number, name in enumerate(TOUCHPOINTS)}
NO_TOUCHPOINT = -1

_BY_EVENT = {
    "view_item_list": "category page", "view_search_results": "search", "view_item": "product page",
    "login": "sign in", "sign_up": "sign in", "add_to_cart": "add to cart", "begin_checkout": "checkout",
    "add_shipping_info": "checkout", "add_payment_info": "payment", "checkout_error": "checkout error",
    "purchase": "purchase", "write_review": "review", "refer_friend": "referral", "generate_lead": "lead form",
}  # fmt: skip
_BY_PAGE = (
    ("/blog/", "blog"), ("/lp/", "campaign page"), ("/category/", "category page"), ("/search", "search"),
    ("/product/", "product page"), ("/help/", "delivery information"), ("/login", "sign in"), ("/signup", "sign in"),
    ("/cart", "cart"), ("/checkout", "checkout"), ("/account/", "account"), ("/contact", "lead form"),
    ("/", "home page"),
)  # fmt: skip


def page_touchpoints() -> list[int]:
    """The touchpoint of a page view of each page."""
    return [TOUCHPOINT[next(name for start, name in _BY_PAGE if path.startswith(start))] for path, _ in PAGES]


def event_touchpoints() -> list[int]:
    """The touchpoint of each event name; NO_TOUCHPOINT for page views and automatic events."""
    return [TOUCHPOINT[_BY_EVENT[name]] if name in _BY_EVENT else NO_TOUCHPOINT for name in EVENT_NAMES]


def price(product: int) -> float:
    """The price of a product (1-based), EUR."""
    return round(9.9 + (product * 37) % 190, 2)


CAMPAIGNS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "organic": (("google", "organic", ""), ("bing", "organic", ""), ("google", "organic", "")),
    "paid_search": (("google", "cpc", "brand"), ("google", "cpc", "spring-sale"), ("bing", "cpc", "outlet")),
    "paid_social": (
        ("instagram", "paid_social", "spring-looks"),
        ("facebook", "paid_social", "new-arrivals"),
        ("instagram", "paid_social", "garden-week"),
    ),
    "email": (("newsletter", "email", "newsletter"),),
    "affiliate": (
        ("deals.example.net", "affiliate", "partner-a"),
        ("tips.example.org", "affiliate", "partner-b"),
    ),
    "direct": (("(direct)", "(none)", ""),),
    "referral": (("news.example.org", "referral", ""), ("forum.example.net", "referral", "")),
}
REFERRERS = {"google": "https://www.google.com/", "bing": "https://www.bing.com/"}


def campaign_of(channel: str, number: int) -> tuple[str, str, str]:
    """Source, medium and campaign name of a visit through the channel."""
    if channel == "email":
        return "newsletter", "email", f"newsletter-{number + 1:02d}"
    options = CAMPAIGNS[channel]
    return options[number % len(options)]


def flat_macros() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events of all macros in a row, with each macro's offset and length there."""
    lengths = np.array([len(macro.events) for macro in MACROS.values()], dtype=np.int64)
    codes = np.array([EVENT[name] for macro in MACROS.values() for name in macro.events], dtype=np.int64)
    return codes, np.cumsum(lengths) - lengths, lengths
