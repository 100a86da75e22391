-- The distinct pages of a batch without their queries, with the path that a touchpoint may name.
-- grain: one row per page
-- kept: batch
-- column: page        address up to the query
-- column: page_path   its path, numbers and codes as :id
with pages as (
    select distinct address_without_query(page_url) as page
    from read_items
    where page_url is not null
)

select
    page,
    page_path_of(page) as page_path
from pages
