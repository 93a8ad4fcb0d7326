"""Accounts: who may act as what, where they are signed in; giving and taking both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import consent, identity
from citycare.kernel.context import Context, Grant, Role
from citycare.kernel.identity import AccountCard
from citycare.kit.errors import Conflict, NotFound
from citycare.web.actions import ROLES
from citycare.web.actors import masked, role_words
from citycare.web.edge.contexts import ReadContext, WriteContext
from citycare.web.i18n import mark
from citycare.web.manner import Words, words_of
from citycare.web.operator.common import address, as_uuid, clean, operator_gate, stamp
from citycare.web.parts import Cell, Column, Fact, Option, Row, Tag, Tone
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
ACTION = "operator.accounts"
GATE = operator_gate(ACTION)
PATH = "/operator/accounts"
GIVEN = (
    Role.CLINICIAN,
    Role.COMMUNITY_GP,
    Role.CLERK,
    Role.SCHEDULER,
    Role.OPERATOR,
    Role.EXCHANGE,
)
WHOLE_CITY = mark("全市")


class AccountGone(NotFound):
    """There is no such account."""

    code = "operator.account_unknown"
    words = "没有这个账号。请从列表重新打开。"


class OwnAccess(Conflict):
    """Nobody changes their own access: another must give it, and one stay who can give it back."""

    code = "operator.own_access"
    words = "自己的角色、动态码和账号，不能自己加、收回、清除或停用。请另一位管理员来办。"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One role an account holds, and what to send to take it away."""

    label: str
    role: str
    organisation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """One open session."""

    id: UUID
    label: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPanel:
    """One account: what it is, may, and where it is signed in."""

    id: UUID
    title: str
    facts: tuple[Fact, ...]
    held: tuple[Held, ...]
    sessions: tuple[SignedIn, ...]
    roles: tuple[Option, ...]
    organisations: tuple[Option, ...]
    open: bool
    own: bool
    has_factor: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsPage:
    """Accounts found, and one in the panel."""

    text: str
    filters: tuple[Option, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    next: str
    account: AccountPanel | None


@router.get(PATH, dependencies=[GATE])
async def list_accounts(
    request: Request, cx: ReadContext, q: str = "", role: str = "", page: str = ""
) -> Response:
    """List staff, or whom the search finds."""
    await consent.require(cx, ACTION)
    shown = await _page(request, cx, None, clean(q), role, page)
    return await respond(request, cx, "operator/accounts.html", shown)


@router.get(PATH + "/{account_id}", dependencies=[GATE])
async def one(
    request: Request,
    cx: ReadContext,
    account_id: UUID,
    q: str = "",
    role: str = "",
    page: str = "",
) -> Response:
    """Show one account."""
    await consent.require(cx, ACTION)
    panel = await _panel(request, cx, account_id)
    shown = await _page(request, cx, panel, clean(q), role, page)
    return await respond(
        request, cx, "operator/accounts.html", shown, partial="operator/_account.html"
    )


async def _page(
    request: Request, cx: Context, panel: AccountPanel | None, text: str, role: str, token: str
) -> AccountsPage:
    words = words_of(request)
    chosen = Role(role) if role in set(GIVEN) else None
    found = await identity.search_accounts(cx, text, chosen, token or None)
    heads = (mark("姓名"), mark("登录名"), mark("能做什么"), mark("状态"))
    more = address(PATH, q=text, role=role, page=found.next) if found.next else ""
    return AccountsPage(
        text=text,
        filters=(
            Option(value=address(PATH, q=text), label=words("全部"), selected=chosen is None),
            *(
                Option(
                    value=address(PATH, q=text, role=given),
                    label=words(ROLES[given]),
                    selected=chosen is given,
                )
                for given in GIVEN
            ),
        ),
        columns=tuple(Column(label=words(head)) for head in heads),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=_name(one)),
                    Cell(text=one.subject),
                    Cell(text=role_words(one, words)),
                    Cell(tag=_state(one, words)),
                ),
                href=address(f"{PATH}/{one.id}", q=text, role=role, page=token),
                selected=panel is not None and panel.id == one.id,
            )
            for one in found.items
        ),
        next=more,
        account=panel,
    )


def _name(card: AccountCard) -> str:
    return card.name if card.is_staff else masked(card.name)


def _state(card: AccountCard, words: Words) -> Tag:
    if card.disabled_at is not None:
        return Tag(text=words("已停用"), tone=Tone.DANGER)
    if card.is_staff and not card.has_second_factor:
        return Tag(text=words("还没有动态码"), tone=Tone.SOON)
    return Tag(text=words("在用"), tone=Tone.GRAY)


async def _card(cx: Context, account_id: UUID) -> AccountCard:
    found = (await identity.describe_accounts(cx, [account_id])).get(account_id)
    if found is None:
        raise AccountGone(account=account_id)
    return found


async def _panel(request: Request, cx: Context, account_id: UUID) -> AccountPanel:
    words = words_of(request)
    card = await _card(cx, account_id)
    organisations = await identity.list_organisations(cx)
    sessions = await identity.list_sessions(cx, account_id)
    return AccountPanel(
        id=account_id,
        title=_name(card),
        facts=(
            Fact(name=words("登录名"), text=card.subject),
            Fact(
                name=words("动态码"),
                text=words("已设置") if card.has_second_factor else words("没有设置"),
            ),
            Fact(
                name=words("状态"),
                text=words("停用于 %(at)s", at=stamp(card.disabled_at))
                if card.disabled_at
                else words("在用"),
            ),
        ),
        held=tuple(
            Held(
                label=f"{words(ROLES[grant.role])} · {name or words(WHOLE_CITY)}",
                role=grant.role,
                organisation=str(grant.organisation_id or ""),
            )
            for grant, name in card.grants
        ),
        sessions=tuple(
            SignedIn(
                id=one.id,
                label=one.device or words("没有写明的设备"),
                note=words(
                    "%(start)s 登录，%(end)s 到期",
                    start=stamp(one.created_at),
                    end=stamp(one.expires_at),
                ),
            )
            for one in sessions
        ),
        roles=tuple(Option(value=role, label=words(ROLES[role])) for role in GIVEN),
        organisations=(
            Option(value="", label=words("请选择")),
            Option(value="city", label=words(WHOLE_CITY)),
            *(Option(value=str(one.id), label=one.name) for one in organisations),
        ),
        open=card.disabled_at is None,
        own=account_id == cx.actor.account_id,
        has_factor=card.has_second_factor,
    )


class PlaceMissing(Conflict):
    """Say where the role holds: one organisation, or the whole city."""

    code = "operator.place_missing"
    words = "请选这个角色在哪家机构有效，或者选全市。"


@router.post(PATH + "/{account_id}/grants", dependencies=[GATE])
async def add_grant(
    request: Request,
    cx: WriteContext,
    account_id: UUID,
    role: Annotated[Role, Form()],
    organisation: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Let another's account act in a role; counts from its next request."""
    await consent.require(cx, ACTION)
    if account_id == cx.actor.account_id:
        raise OwnAccess
    card = await _card(cx, account_id)
    place = as_uuid(organisation)
    if role not in GIVEN or (place is None and organisation != "city"):
        raise PlaceMissing
    if place is not None:
        await identity.get_organisation(cx, place)
    await identity.add_grant(cx, account_id, Grant(role, place))
    words = words_of(request)
    text = words("%(name)s 现在可以做%(role)s了。", name=_name(card), role=words(ROLES[role]))
    return redirect(request, f"{PATH}/{account_id}", notice=Toast(text=text))


@router.post(PATH + "/{account_id}/grants/end", dependencies=[GATE])
async def end_grant(
    request: Request,
    cx: WriteContext,
    account_id: UUID,
    role: Annotated[Role, Form()],
    organisation: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Take a role away; counts from the next request."""
    await consent.require(cx, ACTION)
    if role is Role.OPERATOR and account_id == cx.actor.account_id:
        raise OwnAccess
    await _card(cx, account_id)
    await identity.end_grant(cx, account_id, Grant(role, as_uuid(organisation)))
    text = words_of(request)(mark("角色收回了，从下一次操作起就不能用。"))
    return redirect(request, f"{PATH}/{account_id}", notice=Toast(text=text))


@router.post(PATH + "/{account_id}/sessions/end", dependencies=[GATE])
async def end_sessions(
    request: Request,
    cx: WriteContext,
    account_id: UUID,
    session: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Sign one device out, or all of them; one's own last session is kept by ending others."""
    await consent.require(cx, ACTION)
    await _card(cx, account_id)
    chosen = as_uuid(session)
    for one in await identity.list_sessions(cx, account_id):
        is_mine = one.id == cx.actor.session_id
        if one.id == chosen or (chosen is None and not is_mine):
            await identity.revoke_session(cx, one.id)
    text = words_of(request)(mark("退出了，那台设备要重新登录。"))
    return redirect(request, f"{PATH}/{account_id}", notice=Toast(text=text))


@router.get(PATH + "/{account_id}/second-factor", dependencies=[GATE])
async def ask_reset(request: Request, cx: ReadContext, account_id: UUID) -> Response:
    """Ask once more before a second factor is taken away."""
    await consent.require(cx, ACTION)
    page = await _panel(request, cx, account_id)
    return await respond(request, cx, "operator/reset_factor.html", page)


@router.post(PATH + "/{account_id}/second-factor", dependencies=[GATE])
async def reset(request: Request, cx: WriteContext, account_id: UUID) -> Response:
    """Take a lost second factor away; its owner is signed out and sets up a new one."""
    await consent.require(cx, ACTION)
    if account_id == cx.actor.account_id:
        raise OwnAccess
    await _card(cx, account_id)
    await identity.reset_second_factor(cx, account_id)
    text = words_of(request)(mark("动态码清除了。请本人尽快登录，重新设置。"))
    return redirect(request, f"{PATH}/{account_id}", notice=Toast(text=text))


@router.get(PATH + "/{account_id}/close", dependencies=[GATE])
async def ask_close(request: Request, cx: ReadContext, account_id: UUID) -> Response:
    """Ask once more before an account is closed."""
    await consent.require(cx, ACTION)
    page = await _panel(request, cx, account_id)
    return await respond(request, cx, "operator/close_account.html", page)


@router.post(PATH + "/{account_id}/close", dependencies=[GATE])
async def close(request: Request, cx: WriteContext, account_id: UUID) -> Response:
    """Close an account and all its sessions."""
    await consent.require(cx, ACTION)
    if account_id == cx.actor.account_id:
        raise OwnAccess
    await _card(cx, account_id)
    await identity.close_account(cx, account_id)
    text = words_of(request)(mark("账号停用了，所有设备都已退出。"))
    return redirect(request, f"{PATH}/{account_id}", notice=Toast(text=text))
