"""Family and proxies: who may act for whom, asking, answering, ending, registering a child."""

from fastapi import APIRouter

from citycare.web.family import asking, children, looking

router = APIRouter(include_in_schema=False)
for part in (looking.router, asking.router, children.router):
    router.include_router(part)

__all__ = ["router"]
