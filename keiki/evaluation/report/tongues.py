"""Names of the languages that texts are found to be in, and shares of them in words."""

from __future__ import annotations

from collections.abc import Mapping

from keiki.data.language import NAMES as COMMON
from keiki.evaluation.report import words

RARE = 0.05  # share of the texts; on so few words a language is easily mistaken
MOST = 3
SPEECHLESS = "zxx"  # ISO 639-2: no linguistic content
_NAMES = {
    **COMMON,
    SPEECHLESS: "no language",
    "ace": "Acehnese", "af": "Afrikaans", "am": "Amharic", "an": "Aragonese", "ary": "Moroccan Arabic",
    "arz": "Egyptian Arabic", "as": "Assamese", "az": "Azerbaijani", "ba": "Bashkir", "bcl": "Central Bikol",
    "be": "Belarusian", "bg": "Bulgarian", "br": "Breton", "bs": "Bosnian", "ca": "Catalan",
    "crh": "Crimean Tatar", "cy": "Welsh", "dz": "Dzongkha", "eo": "Esperanto", "et": "Estonian", "eu": "Basque",
    "ext": "Extremaduran", "fo": "Faroese", "fuv": "Fulfulde", "fy": "Frisian", "ga": "Irish",
    "gcf": "Antillean Creole", "gcr": "Guianese Creole", "gd": "Scottish Gaelic", "gl": "Galician",
    "gom": "Konkani", "grc": "Ancient Greek", "gu": "Gujarati", "gug": "Guarani", "guw": "Gun", "ha": "Hausa",
    "hbo": "Biblical Hebrew", "hr": "Croatian", "ht": "Haitian Creole", "hy": "Armenian", "ig": "Igbo",
    "is": "Icelandic", "jv": "Javanese", "ka": "Georgian", "kab": "Kabyle", "kik": "Kikuyu", "kk": "Kazakh",
    "km": "Khmer", "kn": "Kannada", "ku": "Kurdish", "ky": "Kyrgyz", "lb": "Luxembourgish", "lg": "Ganda",
    "lij": "Ligurian", "ln": "Lingala", "lo": "Lao", "lt": "Lithuanian", "ltg": "Latgalian", "lv": "Latvian",
    "mg": "Malagasy", "mk": "Macedonian", "ml": "Malayalam", "mn": "Mongolian", "mr": "Marathi", "ms": "Malay",
    "mt": "Maltese", "my": "Burmese", "nb": "Norwegian", "ne": "Nepali", "nn": "Norwegian Nynorsk",
    "nso": "Northern Sotho", "oc": "Occitan", "om": "Oromo", "or": "Odia", "pa": "Punjabi",
    "pcm": "Nigerian Pidgin", "ps": "Pashto", "qu": "Quechua", "rw": "Kinyarwanda", "sa": "Sanskrit",
    "sdh": "Southern Kurdish", "se": "Northern Sami", "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian",
    "sn": "Shona", "so": "Somali", "sq": "Albanian", "sr": "Serbian", "st": "Sotho", "sw": "Swahili",
    "ta": "Tamil", "te": "Telugu", "tg": "Tajik", "tk": "Turkmen", "tl": "Tagalog", "tt": "Tatar", "ug": "Uyghur",
    "ur": "Urdu", "uz": "Uzbek", "uzs": "Southern Uzbek", "vec": "Venetian", "vo": "Volapük", "wa": "Walloon",
    "wuu": "Wu Chinese", "xh": "Xhosa", "yo": "Yoruba", "yue": "Cantonese", "zu": "Zulu",
}  # fmt: skip


def name(code: str) -> str:
    """A language in English; a code that is not known stays what it is.

    >>> name("lb"), name("zxx"), name("qqq")
    ('Luxembourgish', 'no language', 'qqq')
    """
    return _NAMES.get(code, code)


def shares(languages: Mapping[str, float]) -> str:
    """The most frequent languages with their shares of the texts; what is rare is joined as 'other'.

    >>> shares({"de": 0.45, "en": 0.44, "lb": 0.04, "ga": 0.03})
    'German 45 %, English 44 %, other 7 %'
    """
    ranked = sorted(languages.items(), key=lambda pair: -pair[1])
    named = [(name(code), share) for at, (code, share) in enumerate(ranked) if at < MOST and (share >= RARE or not at)]
    other = sum(share for _, share in ranked[len(named) :])
    if other > 0:
        named.append(("other", other))
    return ", ".join(f"{each} {words.percent(share)}" for each, share in named)
