"""What is said of each problem, in Chinese and English. Codes are added, never renamed.

`{limit}` and its like are filled in with what the form asks for.
"""

from __future__ import annotations

from typing import Any, Final

from citycare.kernel.fhir.forms.model import Problem

WORDS: Final[dict[str, tuple[str, str]]] = {
    # the response as a whole
    "response": ("这不是一份问卷答卷", "is not a QuestionnaireResponse"),
    "status": ("答卷的状态不对", "has an unknown status"),
    "questionnaire": ("这份答卷属于另一份问卷", "answers another questionnaire"),
    "version": (
        "这份答卷是按问卷的另一个版本填写的，请先把答案转到现在的版本",
        "answers another version of the questionnaire; carry its answers over first",
    ),
    # its shape
    "item_shape": ("这一项的数据格式不对", "is not an item"),
    "item_unknown": ("问卷里没有这一项", "is no item of the questionnaire"),
    "item_misplaced": ("这一项放错了位置", "stands in the wrong place"),
    "item_again": ("这一项只能出现一次", "appears more than once"),
    "answer_shape": ("答案的数据格式不对", "has an answer that is none"),
    "answer_type": ("答案的类型与问题不符", "has an answer of the wrong type"),
    "answer_many": ("这一项只能有一个答案", "has more than one answer"),
    "answer_twice": ("同一个答案填了两次", "has the same answer twice"),
    "answer_none": ("这一项只是说明，不能填写答案", "cannot have an answer"),
    "nesting": ("下级问题应放在答案里面", "has items beside its answer instead of in it"),
    "disabled": ("按前面的回答，这一项不需要填写，填写的内容不会提交", "is not asked for"),
    # what is still missing
    "required": ("请填写这一项", "is required"),
    "min_occurs": ("这一项至少要填{limit}个", "needs at least {limit}"),
    "max_occurs": ("这一项最多填{limit}个", "may have at most {limit}"),
    # what is answered
    "empty": ("答案是空白，请填写内容", "is blank"),
    "max_length": ("最多填写{limit}个字", "is longer than {limit} characters"),
    "min_length": ("至少填写{limit}个字", "is shorter than {limit} characters"),
    "min_value": ("不能小于（早于）{limit}", "is less than {limit}"),
    "max_value": ("不能大于（晚于）{limit}", "is more than {limit}"),
    "places": ("最多保留{limit}位小数", "has more than {limit} decimal places"),
    "pattern": ("填写的格式不对，请按要求填写", "does not have the form asked for"),
    "step": ("请按{limit}的间隔取值", "is not a step of {limit}"),
    "option": ("所选的答案不在可选范围内，请重新选择", "is not one of the answers offered"),
    "exclusive": ("这个选项不能与其他选项同时选择", "excludes the other answers"),
    "unit": ("单位不在可选范围内，请重新选择", "has a unit that is not offered"),
    "mime_type": ("不支持这种文件类型", "is of a type of file that is not accepted"),
    "max_bytes": ("文件太大，最大{limit}", "is larger than {limit}"),
    "constraint": ("{human}", "{human}"),
    "calculated": (
        "这一项由问卷自动计算，填写的值与计算结果不符，将以计算结果为准",
        "differs from what the form calculates, which counts",
    ),
    # a questionnaire that cannot be used (`FormBroken`)
    "form": ("这不是一份问卷", "is not a Questionnaire"),
    "form_array": ("应当是数组的地方不是数组", "has a repeating element that is no array"),
    "form_item": ("问卷的这一项不是对象", "has an item that is no object"),
    "form_items": ("问卷的题目超过{limit}个", "has more than {limit} items"),
    "form_depth": ("问卷的层级超过{limit}层", "has items nested more than {limit} deep"),
    "form_type": ("问卷的这一项的类型不对", "has a type that FHIR R4 does not know"),
    "form_link": ("问卷的这一项没有 linkId", "has no linkId"),
    "form_link_again": ("问卷里有两项用了同一个 linkId", "has the linkId of another item"),
    "form_option": ("问卷的备选答案写得不对", "has an answerOption without a value of its type"),
    "form_options": ("备选答案超过{limit}个", "has more than {limit} options"),
    # the form itself: for who wrote it; none of them stops a person from answering
    "expression_syntax": ("问卷的表达式写得不对", "has an expression that is not FHIRPath"),
    "expression_language": (
        "问卷使用了本系统不支持的表达式语言",
        "has an expression in a language that is not supported",
    ),
    "expression": ("问卷的表达式算不出结果", "has an expression that cannot be evaluated"),
    "expression_type": (
        "问卷的表达式得出的结果与问题类型不符",
        "has an expression whose result is no answer to it",
    ),
    "cycle": (
        "问卷的表达式互相依赖，算不出稳定的结果",
        "has expressions that depend on each other and do not settle",
    ),
    "enable_when": ("问卷的显示条件写得不对", "has a condition that cannot be understood"),
    "value_set": ("找不到问卷引用的选项表", "names a value set that is not known"),
    "bounds": ("问卷的限制条件写得不对", "has a bound that cannot be understood"),
}
WARNINGS: Final = frozenset(
    (
        *("expression_syntax", "expression_language", "expression", "expression_type", "cycle"),
        *("enable_when", "value_set", "bounds", "disabled", "answer_twice", "step", "calculated"),
    )
)


def problem(
    code: str, path: str = "", link_id: str = "", *, warning: bool | None = None, **facts: Any
) -> Problem:
    """Return a problem with its words; those of the form itself are warnings."""
    words, message = WORDS[code]
    if code != "constraint":
        message = f"This {message}."
    if facts:
        words, message = (text.format_map(facts) for text in (words, message))
    is_warning = code in WARNINGS if warning is None else warning
    return Problem(path, link_id, code, words, message, is_warning)
