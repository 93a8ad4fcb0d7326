"""What a call to the FHIR server is refused for; `rules.refusing` says with which HTTP status.

Source: HL7 FHIR R4 4.0.1 §3.1.0 RESTful API.
"""

from __future__ import annotations

from citycare.kit.errors import Busy, Conflict, Forbidden, Incorrect, NotFound


class InteractionUnknown(NotFound):
    """There is no interaction at this address."""

    code = "exchange.interaction_unknown"
    words = "没有这个接口地址，请对照服务能力说明（metadata）核对后再试。"


class TypeUnknown(NotFound):
    """FHIR R4 has no resource type of this name that is served here."""

    code = "exchange.type_unknown"
    words = "没有这种健康数据类型，请核对类型名称（区分大小写）后再试。"


class MethodUnfit(Incorrect):
    """This address is not used with this method."""

    code = "exchange.method_unfit"
    words = "这个接口地址不支持这种请求方法，请换成允许的方法后再试。"


class IdBroken(Incorrect):
    """An id is of 1 to 64 letters, digits, `-` and `.`."""

    code = "exchange.id_broken"
    words = "编号只能由字母、数字、“-”和“.”组成，最长64个字符，请改正后再试。"


class FormatNotOffered(Incorrect):
    """Answers are given as JSON of FHIR 4.0 only."""

    code = "exchange.format_not_offered"
    words = "这里只提供FHIR 4.0的JSON格式，请修改Accept或_format后再试。"


class MediaTypeUnsupported(Incorrect):
    """What was sent is of a media type that this interaction does not take."""

    code = "exchange.media_type_unsupported"
    words = "提交内容的格式不受支持，请改用application/fhir+json等允许的格式。"


class HeaderWrong(Incorrect):
    """A header of the request cannot be read."""

    code = "exchange.header_wrong"
    words = "请求头的内容不对，请按提示改正后再试。"


class QueryBroken(Incorrect):
    """The query of an address, or a form, cannot be read."""

    code = "exchange.query_broken"
    words = "地址中的查询部分无法读取，请检查编码后再试。"


class BodyBroken(Incorrect):
    """The body is not the JSON object that this interaction takes."""

    code = "exchange.body_broken"
    words = "提交的内容不是可以读取的JSON，请检查后重新提交。"


class ResourceDiffers(Incorrect):
    """Type or id of the resource differ from those of the address."""

    code = "exchange.resource_differs"
    words = "提交的数据与地址中的类型或编号不一致，请改正后重新提交。"


class TooLarge(Incorrect):
    """What was sent is larger than this interaction takes."""

    code = "exchange.too_large"
    words = "提交的内容太大，请分批提交。"


class BodiesMany(Busy):
    """Too much is being sent at once; come back in a moment."""

    code = "exchange.bodies_many"
    words = "现在同时提交的数据太多，这一次没有接收。请过几秒再提交，大批数据请分开提交。"


class BodySlow(Incorrect):
    """What was sent did not arrive in time; send less at once, or over a better line."""

    code = "exchange.body_slow"
    words = "提交的内容传得太慢，没有收完。请分批提交，或换好一点的网络再试。"


class ConditionMissing(Incorrect):
    """A conditional interaction needs criteria that select."""

    code = "exchange.condition_missing"
    words = "按条件操作必须给出查找条件，请补充后再试。"


class MultipleMatches(Conflict):
    """The criteria find more than one resource; make them more selective."""

    code = "exchange.multiple_matches"
    words = "按条件找到了多条数据，没有做任何改动。请把条件写得更具体。"


class VersionConflict(Conflict):
    """The resource is not at the version the request was made for; read it again."""

    code = "exchange.version_conflict"
    words = "这条数据已经被更新过，没有做任何改动。请重新读取最新版本后再提交。"


class VersionRequired(Incorrect):
    """Say with If-Match which version is to be changed."""

    code = "exchange.version_required"
    words = "修改这条数据必须用If-Match注明所依据的版本，请补充后重新提交。"


class PatchBroken(Incorrect):
    """The patch is not a JSON Patch that can be read."""

    code = "exchange.patch_broken"
    words = "补丁不是正确的JSON Patch格式，没有做任何改动。请改正后重新提交。"


class PatchUnfit(Incorrect):
    """The patch cannot be applied to the resource as it is."""

    code = "exchange.patch_unfit"
    words = "补丁不能用于这条数据的当前内容，没有做任何改动。请重新读取数据后再提交。"


class EntryBroken(Incorrect):
    """An entry of a Bundle cannot be done; nothing of a transaction has been done."""

    code = "exchange.entry_broken"
    words = "其中一个条目无法执行，整批内容都没有保存。请按提示改正后重新提交。"


class OutOfTime(Busy):
    """Reads and conditions of this Bundle took all the time they may; send the rest in another."""

    code = "exchange.out_of_time"
    words = "这一批里的查询用时太长，后面要查询的没有做。请把没有做的另分一批再试。"


class NotPermitted(Forbidden):
    """You or your app may not do this with this resource."""

    code = "exchange.not_permitted"
    words = "没有权限这样读写这条健康数据。请检查应用申请的权限范围，或联系平台管理员。"


class PreferenceNeeded(Incorrect):
    """This takes longer than an answer may: ask for it with `Prefer: respond-async`."""

    code = "exchange.preference_needed"
    words = "这项操作耗时较长，请在请求头里加上Prefer: respond-async后再试。"


class ParameterWrong(Incorrect):
    """A parameter of the operation is missing, unknown, or cannot be read."""

    code = "exchange.parameter_wrong"
    words = "操作的参数缺失、不认识或填写有误，请按提示改正后再试。"


class ProfileUnknown(Incorrect):
    """This profile has not been loaded, so nothing can be held to it."""

    code = "exchange.profile_unknown"
    words = "没有导入这个数据规范（profile），不能按它校验。请核对网址，或去掉这个参数。"
