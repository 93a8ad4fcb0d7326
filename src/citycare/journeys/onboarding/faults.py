"""Every fault an import can find: stable code, Chinese sentence with the next step, English one."""

from __future__ import annotations

from citycare.journeys.onboarding.model import FAULTS_MAX, Fault, Origin

VALUE_MAX = 120

WORDS: dict[str, tuple[str, str]] = {
    "file_too_large": (
        "文件太大（{limit} MB 以内），请拆成几个文件再导入；大量号源请用 NDJSON",
        "The file is over {limit} MB; split it, and use NDJSON for many slots",
    ),
    "file_empty": ("文件是空的，请检查导出是否成功", "The file is empty"),
    "encoding": (
        "读不出文字编码，请另存为 UTF-8 或 GB18030",
        "The encoding is neither UTF-8 nor GB18030",
    ),
    "table_unknown": (
        "看不出这是哪一种表，请对照说明检查表头",
        "No known table has these columns; see docs/import.md",
    ),
    "column_missing": ("缺少这一列，请补上", "This column is missing"),
    "column_unknown": (
        "没有这一列的用法，请核对列名或删掉它",
        "This column is not known; mend its name or remove it",
    ),
    "column_twice": ("这一列出现了两次，请保留一列", "This column appears twice"),
    "cells": (
        "这一行的格数和表头不一样，请检查逗号和引号",
        "The row has another number of cells than the header",
    ),
    "csv_broken": ("表格格式损坏，请重新导出", "The table cannot be read; export it again"),
    "json_broken": (
        "这里不是完整的 JSON，请检查导出是否中断",
        "This is not JSON; the export may have been cut off",
    ),
    "line_too_long": ("这一行太长，请检查文件格式", "The line is too long"),
    "bundle_wrong": (
        "JSON 文件应当是 FHIR R4 的 Bundle 或单个资源",
        "A JSON file must be a FHIR R4 Bundle or one resource",
    ),
    "resource_unused": (
        "这种资源不在导入范围内，已跳过",
        "Resources of this type are not imported; skipped",
    ),
    "fhir_invalid": ("{words}", "{message}"),
    "required": ("必填，请补上", "This must be given"),
    "number": ("不是合适的数，请填 {low} 到 {high}", "Not a number from {low} to {high}"),
    "money": ("不是金额，请填元，最多两位小数", "Not an amount in yuan with two decimals"),
    "date": ("不是日期，请写成 2026-11-23", "Not a date like 2026-11-23"),
    "time": ("不是时间，请写成 08:30", "Not a time like 08:30"),
    "choice": ("只能是:{choices}", "Must be one of: {choices}"),
    "uscc": (
        "统一社会信用代码不对，请对照登记证书核对",
        "Not a valid unified social credit code (GB 32100)",
    ),
    "district": (
        "不是6位行政区划代码（如 310118），请补上",
        "Not a district code of six digits (GB/T 2260)",
    ),
    "department_code": (
        "诊疗科目名录里没有这个代码，请按名录填写",
        "No such code in the catalogue of medical specialties",
    ),
    "duplicate": (
        "和 {other} 重复，请只留一个",
        "The same key as {other}; keep one",
    ),
    "differs": (
        "和 {other} 是同一个，但内容不同，请统一",
        "The same thing as {other}, but it says otherwise",
    ),
    "reference_missing": (
        "文件和平台里都没有这一项，请一起导入或更正",
        "Neither the files nor the platform have this; import it too or mend the reference",
    ),
    "reference_display_only": (
        "这里只有显示文字，没有可查找的编号；请给出 reference 或 identifier",
        "Only a display text; give a reference or an identifier",
    ),
    "reference_ambiguous": (
        "有多个同名的，请改用统一社会信用代码",
        "Several have this name; use the credit code",
    ),
    "reference_unused": (
        "只有显示文字的引用，已按文字处理或略过",
        "A reference with only a display text: used as text, or passed over",
    ),
    "parent_circle": ("上级机构互相包含，请更正", "The organisations contain each other"),
    "window_past": (
        "这个时段已经过去，请只导入今后的号源",
        "The window has begun already; import those to come",
    ),
    "window_order": ("结束要晚于开始", "It must end after it begins"),
    "window_too_long": (
        "一个时段最长 {limit} 分钟，请拆短",
        "A window lasts {limit} minutes at most",
    ),
    "window_overlap": (
        "和 {other} 的时间重叠，请改掉其中一个",
        "Overlaps with {other}; change one of them",
    ),
    "window_on_template": (
        "和 {other} 的每周排班重叠，请只用一种",
        "Overlaps with the weekly template of {other}; use one of the two",
    ),
    "template_tiles": (
        "总时长要能被每个时段的分钟数整除",
        "The session must be a multiple of the window's minutes",
    ),
    "capacity": ("一个时段的号数要在 1 到 60 之间", "A window holds 1 to 60 places"),
    "shares_sum": (
        "各类号源相加是 {sum},应当等于号数 {capacity}",
        "The pools add up to {sum}, not to the capacity {capacity}",
    ),
    "fee_missing": (
        "没有挂号费：请加扩展 clinic-fee，或在 clinics.csv 中列出该门诊",
        "No fee: add the clinic-fee extension, or list the clinic in clinics.csv",
    ),
    "department_missing": (
        "看不出属于哪个科室：请给出科室机构或诊疗科目代码",
        "The department cannot be told: give its Organization or a specialty code",
    ),
    "slot_taken": ("该号已不可约，已跳过", "Not free; skipped"),
    "slots_there": (
        "{count} 个时段已在平台中，保持原样",
        "{count} windows are there already and stay as they are",
    ),
    "refused": ("{words}", "{message}"),
}


class Faults:
    """Collects faults of all files; keeps the first FAULTS_MAX and counts them all."""

    def __init__(self) -> None:
        """Begin with none."""
        self.kept: list[Fault] = []
        self.notes: list[Fault] = []
        self.count = 0

    def add(
        self, code: str, origin: Origin | str, field: str = "", value: object = "", **facts: object
    ) -> None:
        """Note a fault at a place; an origin that is a string is the whole file."""
        self.count += 1
        if len(self.kept) < FAULTS_MAX:
            self.kept.append(_fault(code, origin, field, value, facts))

    def note(
        self, code: str, origin: Origin | str, field: str = "", value: object = "", **facts: object
    ) -> None:
        """Note something the import passes over; it does not stop it."""
        if len(self.notes) < FAULTS_MAX:
            self.notes.append(_fault(code, origin, field, value, facts))


def _fault(
    code: str, origin: Origin | str, field: str, value: object, facts: dict[str, object]
) -> Fault:
    words, message = WORDS[code]
    file, where = (origin, "") if isinstance(origin, str) else (origin.file, str(origin))
    text = str(value)[:VALUE_MAX]
    return Fault(
        file,
        where,
        field,
        f"onboarding.{code}",
        words.format(**facts),
        message.format(**facts),
        text,
    )
