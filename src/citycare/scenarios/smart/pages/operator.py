"""Apps and systems that may read the record: registered, given new keys, switched off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import consent, identity
from citycare.kernel.context import Context
from citycare.scenarios.smart.model import Audience, Auth, Client, ClientWrong, NewClient
from citycare.scenarios.smart.pages.registration import AUDIENCES, AUTHS, FormPage, fields, sentence
from citycare.scenarios.smart.service import clients
from citycare.web import forms
from citycare.web.edge.contexts import ReadContext, WriteContext
from citycare.web.forms import Form
from citycare.web.i18n import mark
from citycare.web.manner import Words, words_of
from citycare.web.operator.common import address, clean, operator_gate, stamp
from citycare.web.parts import Cell, Column, Fact, Option, Row, Tag, Tone
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)

PATH = "/operator/apps"
GATE = operator_gate(clients.ACTION)
JSON_CHARS_MAX = 65_536
NO_JSON = mark("这不是一份公钥清单（JWKS）。请把开发方给的整段内容原样贴进来。")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPanel:
    """One client: what it is and may. `rotates`: what can be given to it anew, "" for nothing."""

    id: UUID
    title: str
    facts: tuple[Fact, ...]
    rotates: str
    in_use: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AppsPage:
    """Clients found, and one in the panel."""

    text: str
    filters: tuple[Option, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    client: ClientPanel | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretPage:
    """What is told once."""

    id: UUID
    title: str
    secret: str


@router.get(PATH, dependencies=[GATE])
async def list_apps(request: Request, cx: ReadContext, q: str = "", kind: str = "") -> Response:
    """List what is registered."""
    await consent.require(cx, clients.ACTION)
    page = await _page(request, cx, None, clean(q), kind)
    return await respond(request, cx, "smart/clients.html", page)


@router.get(PATH + "/new", dependencies=[GATE])
async def new(request: Request, cx: ReadContext) -> Response:
    """Show the form of a new one."""
    await consent.require(cx, clients.ACTION)
    return await _form(request, cx, Form(), {})


@router.post(PATH + "/new", dependencies=[GATE])
async def register(request: Request, cx: WriteContext) -> Response:
    """Register one; on anything wrong show the form again as it was typed."""
    await consent.require(cx, clients.ACTION)
    form = await forms.read(request)
    wanted = _read(form)
    words = words_of(request)
    errors = {name: words(text) for name, text in form.errors.items()}
    if wanted is None:
        return await _form(request, cx, form, errors)
    try:
        async with cx.db.transaction():
            client, secret = await clients.register(cx, wanted)
    except ClientWrong as error:
        name, text = sentence(error, words)
        return await _form(request, cx, form, {name: text})
    if secret is not None:
        return await _secret(request, cx, client, secret)
    text = words("“%(name)s”登记好了，它的编号是 %(id)s。", name=client.name, id=client.id)
    return redirect(request, f"{PATH}/{client.id}", notice=Toast(text=text))


def _read(form: Form) -> NewClient | None:
    """Read a registration; None with what is wrong in the form's errors."""
    name, publisher = form.text("name", chars_max=80), form.text("publisher", chars_max=80)
    audience, auth = form.choice("audience", Audience), form.choice("auth", Auth)
    organisation = form.id("organisation", required=audience is not Audience.RESIDENT)
    is_backend = audience is Audience.BACKEND
    redirects = form.text("redirect_uris", required=not is_backend, chars_max=10_000)
    launch_url = form.text("launch_url", required=False, chars_max=500)
    scope = form.text("scopes", chars_max=4_000)
    jwks, jwks_url = read_keys(form)
    if form.errors or audience is None or auth is None:
        return None
    return NewClient(
        name=name,
        publisher=publisher,
        audience=audience,
        auth=auth,
        scopes=" ".join(scope.split()),
        organisation_id=None if audience is Audience.RESIDENT else organisation,
        redirect_uris=tuple(dict.fromkeys(redirects.split())),
        launch_url=launch_url,
        jwks=jwks,
        jwks_url=jwks_url,
        introspects=form.is_checked("introspects"),
    )


def read_keys(form: Form) -> tuple[dict[str, Any] | None, str | None]:
    """Read the public keys of a form: a JWKS as text, or the address of one."""
    text = form.text("jwks", required=False, chars_max=JSON_CHARS_MAX)
    url = form.text("jwks_url", required=False, chars_max=500)
    if not text:
        return None, url or None
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        form.errors.setdefault("jwks", NO_JSON)
        return None, url or None
    return found, url or None


async def _form(request: Request, cx: Context, form: Form, errors: dict[str, str]) -> Response:
    words = words_of(request)
    page = FormPage(
        title=words("登记应用"),
        action=f"{PATH}/new",
        back=PATH,
        button=words("登记"),
        fields=fields(form, errors, await identity.list_organisations(cx), words),
    )
    status = 422 if errors else 200
    return await respond(request, cx, "smart/registration.html", page, status=status)


async def _secret(request: Request, cx: Context, client: Client, secret: str) -> Response:
    page = SecretPage(id=client.id, title=client.name, secret=secret)
    return await respond(request, cx, "smart/secret.html", page)


@router.get(PATH + "/{client_id}", dependencies=[GATE])
async def one(
    request: Request,
    cx: ReadContext,
    client_id: UUID,
    q: str = "",
    kind: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show one."""
    panel = await _panel(request, cx, client_id)
    page = await _page(request, cx, panel, clean(q), kind)
    return await respond(request, cx, "smart/clients.html", page, partial="smart/_client.html")


async def _page(
    request: Request, cx: Context, panel: ClientPanel | None, text: str, kind: str
) -> AppsPage:
    words = words_of(request)
    chosen = Audience(kind) if kind in set(Audience) else None
    found = await clients.list_clients(cx, text, chosen)
    heads = (mark("名称"), mark("谁提供"), mark("给谁用"), mark("状态"))
    return AppsPage(
        text=text,
        filters=(
            Option(value=address(PATH, q=text), label=words("全部"), selected=chosen is None),
            *(
                Option(
                    value=address(PATH, q=text, kind=of),
                    label=words(AUDIENCES[of]),
                    selected=chosen is of,
                )
                for of in Audience
            ),
        ),
        columns=tuple(Column(label=words(head)) for head in heads),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=client.name),
                    Cell(text=client.publisher),
                    Cell(text=words(AUDIENCES[client.audience])),
                    Cell(tag=_state(client, words)),
                ),
                href=address(f"{PATH}/{client.id}", q=text, kind=kind),
                selected=panel is not None and panel.id == client.id,
            )
            for client in found
        ),
        client=panel,
    )


def _state(client: Client, words: Words) -> Tag:
    if client.disabled_at is not None:
        return Tag(text=words("已停用"), tone=Tone.DANGER)
    return Tag(text=words("在用"), tone=Tone.GRAY)


async def _panel(request: Request, cx: Context, client_id: UUID) -> ClientPanel:
    words = words_of(request)
    client = await clients.get(cx, client_id)
    place = ""
    if client.organisation_id is not None:
        place = (await identity.get_organisation(cx, client.organisation_id)).name
    keys = client.jwks_url or ", ".join(str(key.get("kid", "")) for key in _keys(client))
    facts = [
        (words("编号（client_id）"), str(client.id)),
        (words("谁提供"), client.publisher),
        (words("给谁用"), words(AUDIENCES[client.audience])),
        (words("机构"), place),
        (words("怎样证明自己"), words(AUTHS[client.auth])),
        (words("公钥"), keys),
        (words("最多能要什么"), client.scopes),
        (words("返回地址"), "\n".join(client.redirect_uris)),
        (words("打开地址"), client.launch_url),
        (words("查别人的令牌"), words("可以") if client.introspects else ""),
        (words("登记于"), stamp(client.created_at)),
        (words("停用于"), stamp(client.disabled_at) if client.disabled_at else ""),
    ]
    return ClientPanel(
        id=client.id,
        title=client.name,
        facts=tuple(Fact(name=name, text=text) for name, text in facts if text),
        rotates={Auth.KEY: "keys", Auth.SECRET: "secret"}.get(client.auth, ""),
        in_use=client.disabled_at is None,
    )


def _keys(client: Client) -> list[dict[str, Any]]:
    return list(client.jwks["keys"]) if client.jwks is not None else []


@router.get(PATH + "/{client_id}/secret", dependencies=[GATE])
async def ask_rotate(request: Request, cx: ReadContext, client_id: UUID) -> Response:
    """Ask once before the secret in use is replaced."""
    page = await _panel(request, cx, client_id)
    return await respond(request, cx, "smart/rotate.html", page)


@router.post(PATH + "/{client_id}/secret", dependencies=[GATE])
async def rotate(request: Request, cx: WriteContext, client_id: UUID) -> Response:
    """Give a new secret; the old one is of no use from now on."""
    secret = await clients.rotate_secret(cx, client_id)
    return await _secret(request, cx, await clients.get(cx, client_id), secret)


@router.get(PATH + "/{client_id}/keys", dependencies=[GATE])
async def ask_keys(request: Request, cx: ReadContext, client_id: UUID) -> Response:
    """Show the form for new keys."""
    return await _keys_form(request, cx, await clients.get(cx, client_id), Form(), {})


@router.post(PATH + "/{client_id}/keys", dependencies=[GATE])
async def replace_keys(request: Request, cx: WriteContext, client_id: UUID) -> Response:
    """Take new keys; the old ones are of no use from now on."""
    client = await clients.get(cx, client_id)
    form = await forms.read(request)
    words = words_of(request)
    jwks, url = read_keys(form)
    if form.errors:
        errors = {name: words(text) for name, text in form.errors.items()}
        return await _keys_form(request, cx, client, form, errors)
    try:
        await clients.replace_keys(cx, client_id, jwks, url)
    except ClientWrong as error:
        name, text = sentence(error, words)
        return await _keys_form(request, cx, client, form, {name: text})
    text = words("换好了，旧的公钥从现在起不能用。")
    return redirect(request, f"{PATH}/{client_id}", notice=Toast(text=text))


async def _keys_form(
    request: Request, cx: Context, client: Client, form: Form, errors: dict[str, str]
) -> Response:
    words = words_of(request)
    shown = [one for one in fields(form, errors, (), words) if one.name in ("jwks", "jwks_url")]
    page = FormPage(
        title=words("给“%(name)s”换公钥", name=client.name),
        action=f"{PATH}/{client.id}/keys",
        back=f"{PATH}/{client.id}",
        button=words("换公钥"),
        fields=tuple(shown),
    )
    status = 422 if errors else 200
    return await respond(request, cx, "smart/registration.html", page, status=status)


@router.get(PATH + "/{client_id}/disable", dependencies=[GATE])
async def ask_disable(request: Request, cx: ReadContext, client_id: UUID) -> Response:
    """Ask once before one is switched off."""
    page = await _panel(request, cx, client_id)
    return await respond(request, cx, "smart/disable.html", page)


@router.post(PATH + "/{client_id}/disable", dependencies=[GATE])
async def disable(request: Request, cx: WriteContext, client_id: UUID) -> Response:
    """Switch one off: its tokens are of no use from now on."""
    await clients.switch(cx, client_id, on=False)
    text = words_of(request)(mark("停用了，它手里的令牌从现在起都不能用。"))
    return redirect(request, f"{PATH}/{client_id}", notice=Toast(text=text))


@router.post(PATH + "/{client_id}/enable", dependencies=[GATE])
async def enable(request: Request, cx: WriteContext, client_id: UUID) -> Response:
    """Switch one on again."""
    await clients.switch(cx, client_id, on=True)
    text = words_of(request)(mark("重新启用了。"))
    return redirect(request, f"{PATH}/{client_id}", notice=Toast(text=text))
