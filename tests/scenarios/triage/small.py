"""A small knowledge of its own, so that rules are tested apart from what clinicians write."""

from __future__ import annotations

from typing import Any

from citycare.scenarios.triage.rules.advise import Triage
from citycare.scenarios.triage.rules.compiling import compile_entries
from citycare.scenarios.triage.rules.reading import read

HEAD = {"source": ["made for tests"], "review": {"status": "UNVERIFIED"}}
DEPARTMENTS = [
    {"code": "02", "name": "全科", "en": "GP", "child": "07"},
    {
        "code": "03.01",
        "name": "呼吸内科",
        "en": "Respiratory",
        "child": "07.04",
        "words": ["呼吸科"],
    },
    {"code": "03.04", "name": "心内科", "en": "Cardiology", "child": "07"},
    {"code": "05.01", "name": "妇科", "en": "Gynaecology", "sex": "female"},
    {"code": "07", "name": "儿科", "en": "Paediatrics", "age_max": 18},
    {"code": "07.04", "name": "小儿呼吸科", "en": "Children's chest", "age_max": 18},
    {"code": "20", "name": "急诊", "en": "Emergency"},
]


def finding(name: str, *words: str, **more: Any) -> dict[str, Any]:
    """Write one finding as a file would."""
    return {"name": name, "en": name, "ask": f"有{name}吗？", "words": list(words), **more}


FINDINGS = {
    "cough": finding("咳嗽", "咳嗽", "咳", base=0.06),
    "dry_cough": finding("干咳", "干咳", base=0.02, implies=["cough"]),
    "fever": finding("发烧", "发烧", "发热", base=0.04),
    "high_fever": finding("高烧", "高烧", base=0.01, implies=["fever"]),
    "belly_pain": finding("肚子疼", "<肚子>~<疼>", base=0.05),
    "chest_pain": finding("胸痛", "胸痛", "胸口疼", "<胸>~<疼>", base=0.02),
    "cold_sweat": finding("出冷汗", "冷汗", base=0.01),
    "palpitations": finding("心慌", "心慌", base=0.03),
    "discharge": finding("白带多", "白带", base=0.03, sex="female"),
    "suicidal": finding("想自杀", "不想活", "想死", base=0.002),
}
CONDITIONS: dict[str, dict[str, Any]] = {
    "bronchitis": {
        "name": "支气管炎", "icd": "J20", "names": ["支气管炎"],
        "frequency": "common", "urgency": "week",
        "departments": {"03.01": 1}, "always": ["cough"], "some": ["fever"], "course": ["acute"],
        "drugs": ["急支糖浆"], "gp": True,
    },
    "cold": {
        "name": "感冒", "names": ["感冒"], "frequency": "very_common", "urgency": "self_care",
        "departments": {"02": 1}, "often": ["cough", "fever"], "gp": True, "course": ["acute"],
    },
    "heart": {
        "name": "冠心病", "names": ["冠心病"], "frequency": "common", "urgency": "today",
        "ages": [0, 0, 0.3, 1, 2], "departments": {"03.04": 1},
        "usual": ["chest_pain"], "some": ["palpitations", "cold_sweat"],
    },
    "vaginitis": {
        "name": "阴道炎", "names": ["阴道炎"], "frequency": "common", "sex": [1, 0],
        "departments": {"05.01": 1}, "usual": ["discharge"],
    },
    "rare_thing": {
        "name": "肺泡蛋白沉积症", "names": ["肺泡蛋白沉积"], "frequency": "very_rare",
        "departments": {"03.01": 1},
    },
}  # fmt: skip
FLAGS = {
    "chest_sweat": {
        "name": "胸痛出冷汗", "en": "Chest pain with sweat", "group": "adult",
        "every": ["chest_pain", "cold_sweat"], "age": [14, 200], "say": "打120", "source": "test",
    },
    "suicide": {
        "name": "不想活", "en": "Suicidal", "group": "mental", "every": ["suicidal"],
        "say": "打12356", "source": "test",
    },
}  # fmt: skip
CLASSES = {"肚子": ["肚子", "腹部"], "疼": ["疼", "痛"], "胸": ["胸口", "胸部"]}
CUES = {
    "renewal": {"words": ["开药"], "departments": {"02": 6}, "intent": "renewal"},
    "lung": {"words": ["肺部"], "departments": {"03.01": 30}},
}
VALUES = [{"pattern": r"(\d\d\.\d)度", "finding": "fever", "at_least": 37.3}]


def documents(**changed: Any) -> dict[str, Any]:
    """Return the files of the small knowledge; `changed` replaces whole sections."""
    sections: dict[str, Any] = {
        "departments": DEPARTMENTS, "findings": FINDINGS, "conditions": CONDITIONS,
        "red_flags": FLAGS, "cues": CUES, "values": VALUES, "classes": CLASSES,
    }  # fmt: skip
    return {f"{name}.yaml": {**HEAD, name: part} for name, part in {**sections, **changed}.items()}


def triage(**changed: Any) -> Triage:
    """Compile the small knowledge."""
    entries, problems = read(documents(**changed))
    assert not problems, problems
    return Triage(compile_entries(entries, "small"))
