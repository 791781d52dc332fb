"""The time zones a profile may have (campaign.md §5); a name has `_` where the stored value has `/`."""

from __future__ import annotations

_ZONES = """
Africa/Cairo Africa/Casablanca Africa/Johannesburg Africa/Lagos Africa/Nairobi Africa/Tunis
Africa/Windhoek America/Anchorage America/Argentina/Buenos_Aires America/Asuncion America/Bogota
America/Caracas America/Cayenne America/Chicago America/Chihuahua America/Cuiaba America/Denver
America/Edmonton America/Guatemala America/Guayaquil America/Halifax America/Havana
America/Indiana/Indianapolis America/La_Paz America/Lima America/Los_Angeles America/Manaus
America/Mexico_City America/Montevideo America/Montreal America/New_York America/Nuuk America/Panama
America/Phoenix America/Puerto_Rico America/Regina America/Santiago America/Santo_Domingo
America/Sao_Paulo America/St_Johns America/Tijuana America/Toronto America/Vancouver
America/Winnipeg Asia/Almaty Asia/Amman Asia/Baghdad Asia/Baku Asia/Bangkok Asia/Beirut
Asia/Calcutta Asia/Colombo Asia/Damascus Asia/Dhaka Asia/Dubai Asia/Hong_Kong Asia/Irkutsk
Asia/Jakarta Asia/Jerusalem Asia/Kabul Asia/Kamchatka Asia/Karachi Asia/Kathmandu Asia/Krasnoyarsk
Asia/Kuala_Lumpur Asia/Kuwait Asia/Magadan Asia/Manila Asia/Novosibirsk Asia/Riyadh Asia/Seoul
Asia/Shanghai Asia/Singapore Asia/Taipei Asia/Tashkent Asia/Tbilisi Asia/Tehran Asia/Tokyo
Asia/Ulaanbaatar Asia/Vladivostok Asia/Yakutsk Asia/Yangon Asia/Yekaterinburg Asia/Yerevan
Atlantic/Azores Atlantic/Canary Atlantic/Cape_Verde Atlantic/Reykjavik Australia/Adelaide
Australia/Brisbane Australia/Darwin Australia/Hobart Australia/Melbourne Australia/Perth
Australia/Sydney Europe/Amsterdam Europe/Athens Europe/Berlin Europe/Brussels Europe/Bucharest
Europe/Budapest Europe/Copenhagen Europe/Dublin Europe/Helsinki Europe/Istanbul Europe/Kiev
Europe/Lisbon Europe/London Europe/Madrid Europe/Minsk Europe/Moscow Europe/Oslo Europe/Paris
Europe/Prague Europe/Rome Europe/Stockholm Europe/Vienna Europe/Warsaw Europe/Zurich
Pacific/Auckland Pacific/Fiji Pacific/Guam Pacific/Honolulu Pacific/Samoa Pacific/Tongatapu
"""

TIME_ZONES = {"none": "none", "server": "_server_", "UTC": "UTC"} | {
    zone.replace("/", "_"): zone for zone in _ZONES.split()
}
