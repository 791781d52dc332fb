"""Names, towns and telephone shapes that generated people are made of, by country. Invented combinations."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """A country with its people's names and the shape of its addresses (`#` is a digit, `@` a letter)."""

    country: str
    towns: tuple[tuple[str, str], ...]  # town, state or province
    streets: tuple[str, ...]
    postal: str
    phone: str
    women: tuple[str, ...]
    men: tuple[str, ...]
    last: tuple[str, ...]


PLACES = (
    Place(
        "Germany",
        (("Dresden", "Sachsen"), ("Köln", "Nordrhein-Westfalen"), ("München", "Bayern")),
        ("Hauptstraße {}", "Am Alten Markt {}", "Große Gasse {} b"),
        "0####",
        "+49 351 #######",
        ("Jürgine", "Anneliese", "Käthe", "Svenja", "Mia"),
        ("Jürgen", "Björn", "Götz", "Hans-Peter", "Uwe"),
        ("Müller", "Großmann", "von der Heide", "Jäger", "Weiß", "Schäfer-Löwe"),
    ),
    Place(
        "France",
        (("Lyon", "69"), ("Saint-Étienne", "42"), ("L'Haÿ-les-Roses", "94")),
        ("{}, rue de l'Église", "{} bis, avenue Foch", "{}, place d'Armes"),
        "#####",
        "04 ## ## ## ##",
        ("Zoé", "Éloïse", "Anaïs", "Marie-Ève", "Chloé"),
        ("François", "Benoît", "Loïc", "Jean-Luc", "Gaël"),
        ("Lefèvre", "D'Aubigné", "Œuvrard", "Château", "Saint-Exupère"),
    ),
    Place(
        "Norway",
        (("Tromsø", "Troms"), ("Ålesund", "Møre og Romsdal"), ("Bodø", "Nordland")),
        ("Storgata {}", "Øvre Slottsgate {}"),
        "####",
        "+47 ## ## ## ##",
        ("Åse", "Ingrid", "Bjørg", "Solveig"),
        ("Håkon", "Øyvind", "Leif", "Pål"),
        ("Ødegård", "Åsheim", "Bjørnstad", "Næss"),
    ),
    Place(
        "United States",
        (("Springfield", "IL"), ("Redmond", "WA"), ("St. George", "UT")),
        ("{} Driftwood Drive", "{} N. 3rd St., Apt. #4", "{} O'Farrell Blvd"),
        "0####",
        "1 (206) 555-01##",
        ("Mary Ann", "Latoya", "Grace", "Siobhán", "Dolores"),
        ("William", "DeShawn", "J.R.", "Cody", "Xavier"),
        ("O'Neill", "Smith", "McAllister", "Van Buren", "Nguyen", "Garcia-Lopez"),
    ),
    Place(
        "United Kingdom",
        (("York", "N. Yorks"), ("Stoke-on-Trent", "Staffs"), ("Ynys Môn", "Gwynedd")),
        ("{} High Street", "Flat {}, Rose Court", "{}a Mill Lane"),
        "@@# #@@",
        "+44 1632 96####",
        ("Bronwen", "Olivia", "Niamh", "Ffion"),
        ("Alastair", "Rhys", "Oliver", "Seán"),
        ("Featherstonehaugh", "Jones", "MacLeod", "Smythe", "Ó Briain"),
    ),
    Place(
        "Poland",
        (("Łódź", "łódzkie"), ("Kraków", "małopolskie")),
        ("ul. Świętojańska {}", "os. Złota Jesień {}/7"),
        "##-###",
        "+48 ### ### ###",
        ("Małgorzata", "Żaneta", "Zofia"),
        ("Łukasz", "Grzegorz", "Zbigniew"),
        ("Wiśniewska", "Szczęsny", "Żółć", "Brzęczyszczykiewicz"),
    ),
    Place(
        "Türkiye",
        (("İstanbul", "İstanbul"), ("Diyarbakır", "Diyarbakır")),
        ("Gül Sokağı No. {}", "İnönü Caddesi {}"),
        "#####",
        "+90 212 ### ## ##",
        ("Işıl", "Ayşe", "Çiğdem"),
        ("İbrahim", "Oğuz", "Şükrü"),
        ("Yıldız", "Öztürk", "Çelik", "Ağaoğlu"),
    ),
    Place(
        "Greece",
        (("Αθήνα", "Αττική"), ("Θεσσαλονίκη", "Μακεδονία")),
        ("Οδός Ερμού {}", "Λεωφόρος Νίκης {}"),
        "### ##",
        "+30 21# ### ####",
        ("Ελένη", "Σοφία", "Μαρία"),
        ("Γιώργος", "Νίκος", "Σταύρος"),
        ("Παπαδόπουλος", "Αγγελόπουλος", "Καραγιάννης"),
    ),
    Place(
        "Bulgaria",
        (("София", "София-град"), ("Пловдив", "Пловдив")),
        ("ул. Шипка {}", "бул. Витоша {}"),
        "####",
        "+359 2 ### ####",
        ("Цветелина", "Елена", "Юлия"),
        ("Георги", "Димитър", "Щерьо"),
        ("Иванова", "Христов", "Жечев"),
    ),
    Place(
        "Israel",
        (("ירושלים", "ירושלים"), ("חיפה", "חיפה")),
        ("רחוב הרצל {}", "שדרות בן גוריון {}"),
        "#######",
        "+972 2 ### ####",
        ("רחל", "נועה"),
        ("דוד", "יוסף"),
        ("כהן", "לוי", "בן־דוד"),
    ),
    Place(
        "United Arab Emirates",
        (("دبي", "دبي"), ("الشارقة", "الشارقة")),
        ("شارع الوصل {}", "شارع الشيخ زايد {}"),
        "",
        "+971 4 ### ####",
        ("فاطمة", "ليلى"),
        ("محمد", "عبد الرحمن"),
        ("الهاشمي", "بن راشد", "المنصوري"),
    ),
    Place(
        "India",
        (("मुंबई", "महाराष्ट्र"), ("जयपुर", "राजस्थान")),
        ("महात्मा गांधी मार्ग {}", "{} स्टेशन रोड"),
        "######",
        "+91 22 #### ####",
        ("प्रिया", "लक्ष्मी"),
        ("अर्जुन", "विक्रम"),
        ("शर्मा", "सिंह", "त्रिपाठी"),
    ),
    Place(
        "Japan",
        (("京都市", "京都府"), ("横浜市", "神奈川県")),
        ("中央区本町{}丁目", "緑町{}番地"),
        "###-####",
        "+81 75 ### ####",
        ("さくら", "陽子", "美咲"),
        ("太郎", "健一", "ケン"),
        (
            "佐藤",
            "髙橋",
            "渡邉",
            "𠮷田",
        ),  # the last begins with a character outside the Basic Multilingual Plane
    ),
    Place(
        "South Korea",
        (("서울", "서울특별시"), ("부산", "부산광역시")),
        ("세종대로 {}", "해운대로 {}번길"),
        "#####",
        "+82 2 #### ####",
        ("지우", "서연"),
        ("민준", "도윤"),
        ("김", "이", "박"),
    ),
)
