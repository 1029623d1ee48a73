"""Made-up values with the look of real ones: people, addresses, lists, channels, folders, files, messages.

In: a random generator and the role of a parameter. Out: text that nobody has seen before, so that a model learns to copy what a sentence states
instead of knowing it.
Persons are drawn whole: a name and an address of one request belong together.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST = _words(
    "Anna Ben Carla Deepa Elias Fatima Greta Hiro Ines Jonas Kofi Lena Marek Nadia Omar Priya Quentin Rosa Sven Tariq Ulla Viktor Wendy Xin Yara "
    "Zoe Amelie Bruno Chidi Dana Emil Farah Gustav "
    "Hannah Ivo Jana Karim Lucia Mateo Noor Olga Pavel Rania Stefan Tess Umut Vera Will Yusuf Zara Aisha Boris Clara Diego Eva Finn Gina Hugo Ida "
    "Jack Kate Leo Mia Nils Olivia Paul Rita Sam Tina "
    "Mehmet Siobhan Aiko Luis Camille Petra Anders Joanna Raj Mei Tomasz Ngozi Helle Duncan Beatriz Ahmed Lotte Igor Sanna Rhys Elif Mario "
    "Kirsten Javier"
)
_LAST = _words(
    "Adler Bakker Costa Dupont Eriksen Fischer Garcia Haddad Ivanova Jensen Khan Lindqvist Moreau Novak Okafor Patel Quist Rossi Schmidt Tanaka "
    "Ueda Vargas Wagner Xu Yilmaz Zimmermann Andersson "
    "Berg Chen Diaz Evans Fontaine Gruber Hansen Ito Jovic Kowalski Lopez Murphy Nguyen Olsen Popescu Ricci Silva Thomas Urban Virtanen White "
    "Young Zhang Brandt Clarke Dahl Egan Fox Grant Holm "
    "Iqbal Jones Keller Lange Meyer Nowak Ortiz Peters Reed Stone Turner Vogel Weber Walsh Osei Bianchi Horvat Sato Park Cohen Mbeki"
)
_COMPANIES = _words(
    "contoso fabrikam northwind adatum litware tailspin wingtip woodgrove proseware alpineski brightpath bluefern citybakery cedarloft dockside "
    "eastlane fernhill greenwharf harborview ironbridge "
    "junipercare kestrel lumen meridian northpress oakfield pinecrest quayside redbrick silverline tidewater unionworks valemed westgate "
    "yellowdoor zenithlabs bakehouse clinicone daycare elmstreet"
)
_TLDS = (".com", ".com", ".com", ".org", ".net", ".co.uk", ".de", ".eu", ".io", ".example", ".nl", ".fr", ".edu", ".ch", ".com.au")
_MAILBOXES = _words(
    "finance hr it support helpdesk sales orders billing accounts office info team ops legal marketing facilities security admin reception "
    "warehouse payroll purchasing quality service logistics "
    "compliance training travel events press careers frontdesk oncall dispatch audit board nurses school claims invoices bookings feedback"
)
_THINGS = _words(
    "Invoices Orders Customers Suppliers Leads Tickets Incidents Requests Bookings Contracts Projects Tasks Visitors Assets Expenses Timesheets "
    "Absences Applicants Students Patients Vehicles Parts "
    "Shipments Returns Complaints Surveys Events Rooms Licences Risks Inspections Products Prices Members Donations Volunteers Courses Grades "
    "Repairs Meters Deliveries Claims Permits Meetings Ideas "
    "Defects Changes Audits Quotes Deals Offers Interviews Holidays Shifts Keys Badges Laptops Subscriptions Policies Payments Campaigns Articles "
    "Releases Issues Feedback Attendance Overtime "
    "Samples Trips Reviews Signups Checklists Referrals Certificates Refunds Menus Stock Budget Receipts Evaluations Training Recipes Listings"
)
_QUALIFIERS = _words(
    "Open New Site Team HR IT Sales Q1 Q2 Q3 Q4 2025 2026 Weekly Daily Monthly Pending Archived Internal External Customer Staff Field Office "
    "Warehouse Plant North South East West Berlin Leeds Oslo "
    "Madrid Product Vendor Client School Clinic Fleet Safety Quality Finance Marketing Support Building Equipment Night Summer Winter Master "
    "Shared Old Active Urgent Main Overdue Regional Global Event"
)
_DEPARTMENTS = _words(
    "HR IT Sales Marketing Finance Operations Support Facilities Legal Purchasing Logistics Engineering Research Quality Warehouse Security "
    "Reception Catering Maintenance Nursing Teaching Admissions "
    "Editorial Design Production Dispatch Payroll Compliance Accounting"
)
_AFTER_THING = ("2025", "2026", "log", "archive", "tracker", "register", "overview", "inbox", "v2", "EMEA", "backlog", "pipeline")
_AFTER_DEPARTMENT = ("requests", "tracker", "intake", "onboarding", "planning", "hub", "log", "tasks", "calendar", "board", "review", "register")
_CHANNELS = (
    "General", "Announcements", "Alerts", "ops-alerts", "sales-wins", "incidents", "random", "Front desk", "Daily standup", "dev", "releases",
    "on-call", "New hires", "Shipping", "Leads", "IT news",
    "Monitoring", "deployments", "Feedback", "customer-voice", "facilities", "Kitchen", "Shift handover", "night-shift", "Orders", "Invoices",
    "Management", "Newsroom", "watercooler", "builds",
    "Data team", "Support tier 2", "Store managers", "approvals", "bugs", "Wins", "complaints", "Project room", "Morning briefing", "security-feed",
    "Reports",
)  # fmt: skip
_CITIES = _words(
    "London Oslo Berlin Madrid Lisbon Vienna Prague Dublin Zurich Milan Paris Lyon Gdansk Krakow Leeds Glasgow Bergen Malmo Aarhus Tampere Riga "
    "Vilnius Athens Istanbul Cairo Nairobi Lagos Accra "
    "Mumbai Pune Delhi Singapore Tokyo Osaka Seoul Sydney Perth Auckland Toronto Montreal Boston Chicago Denver Seattle Austin Miami Atlanta "
    "Houston Bogota Lima Santiago Recife Utrecht Ghent Graz"
)
_FILES = _words(
    "report budget invoice contract minutes agenda offer plan roster inventory export summary template price list handbook policy checklist "
    "timesheet statement brochure menu schedule survey-results "
    "stock orders backup log newsletter certificate"
)
_PATHS = (
    "orders",
    "status",
    "v1/jobs",
    "hooks/in",
    "api/items",
    "health",
    "v2/customers",
    "stock",
    "invoices/new",
    "feed",
    "rates/latest",
    "tickets",
    "events",
    "users",
    "webhook/42",
    "export.csv",
)
_WHO = ("The order", "Your request", "The server", "The report", "A new lead", "Your booking", "The import", "The invoice", "Your ticket",
    "The build", "A customer", "Someone", "The meeting", "Your form", "The file", "A new visitor", "The delivery", "Your application", "The backup",
    "The shift", "Your parcel", "The room")  # fmt: skip
_DOES = ("is ready", "has arrived", "is here", "was received", "is late", "has been approved", "needs attention", "is down", "is back up",
    "has shipped", "failed", "is done", "has changed", "is overdue", "was cancelled", "needs a look", "is waiting", "has started", "is confirmed",
    "is on its way")  # fmt: skip
_ORDERS = (
    "please check it", "please review by Friday", "thanks for your order", "thank you for getting in touch", "we got your message",
    "time to submit your hours", "don't forget the standup", "we will come back to you soon",
    "please sign off today", "welcome aboard", "drinks at five", "lunch is ready", "have a look", "can you call back?", "please update your status",
    "all good, no action needed", "stock is low", "action required", "see you tomorrow",
    "water the plants", "running late, start without me", "I'm on my way", "door is open", "great job team", "please take the survey",
    "your access has been set up", "please bring your badge", "new starter today", "heads up",
)  # fmt: skip


class People:
    """Persons of one request; an address and a name asked for one after the other belong to one person only if asked so."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.company = rng.choice(_COMPANIES) + rng.choice(_TLDS)

    def name(self) -> str:
        rng = self.rng
        pick = rng.random()
        first = rng.choice(_FIRST)
        return (
            first if pick < 0.4 else f"{first} {rng.choice(_LAST)}" if pick < 0.95 else f"{rng.choice(('Mr', 'Ms', 'Mrs', 'Dr'))} {rng.choice(_LAST)}"
        )

    def person(self) -> tuple[str, str]:
        """Name and address of one person."""
        first, last = self.rng.choice(_FIRST), self.rng.choice(_LAST)
        local = self.rng.choice((f"{first}.{last}", first, f"{first[0]}.{last}", f"{first}_{last}", f"{first[0]}{last}")).lower()
        return f"{first} {last}", f"{local}@{self.company}"

    def address(self) -> str:
        rng = self.rng
        domain = self.company if rng.random() < 0.75 else rng.choice(_COMPANIES) + rng.choice(_TLDS)
        if rng.random() < 0.5:
            return f"{rng.choice(_MAILBOXES)}@{domain}"
        first, last = rng.choice(_FIRST).lower(), rng.choice(_LAST).lower()
        return rng.choice((f"{first}.{last}", f"{first}", f"{first[0]}.{last}", f"{first}{last[0]}", f"{first}_{last}", f"{last}")) + f"@{domain}"


def name_of_thing(rng: Random) -> str:
    """A name for a list, table, form, board …: `Site visits`, `Overdue Invoices`, `tblOrders`."""
    pick = rng.random()
    thing = rng.choice(_THINGS)
    if pick < 0.3:
        text = thing
    elif pick < 0.75:
        text = f"{rng.choice(_QUALIFIERS)} {thing if rng.random() < 0.5 else thing.lower()}"
    elif pick < 0.83:
        text = f"{thing} {rng.choice(_AFTER_THING)}"
    elif pick < 0.93:
        text = f"{rng.choice(_DEPARTMENTS)} {rng.choice(_AFTER_DEPARTMENT)}"
    else:
        text = f"{thing.rstrip('s')} {rng.choice(('request', 'form', 'tracker', 'log', 'list', 'review', 'feedback'))}"
    return text.lower() if rng.random() < 0.12 else text


def _team(rng: Random) -> str:
    return rng.choice(
        (
            rng.choice(_DEPARTMENTS),
            f"{rng.choice(_DEPARTMENTS)} {rng.choice(('Team', 'Europe', 'EMEA', 'North', 'Helpdesk', 'crew', 'Leads', 'UK'))}",
            f"Project {rng.choice(_LAST)}",
            name_of_thing(rng),
        )
    )


def _channel(rng: Random) -> str:
    return (
        rng.choice(_CHANNELS)
        if rng.random() < 0.6
        else rng.choice(
            (rng.choice(_DEPARTMENTS), rng.choice(_THINGS), rng.choice(_THINGS).lower() + "-" + rng.choice(("team", "alerts", "feed", "ops", "log")))
        )
    )


def _folder(rng: Random) -> str:
    thing = name_of_thing(rng)
    return rng.choice(
        (
            f"/{thing}",
            f"/{thing}",
            thing,
            thing,
            f"{rng.choice(_DEPARTMENTS)}/{thing}",
            f"/{rng.choice(_DEPARTMENTS)}/{thing}",
            f"Shared Documents/{thing}",
            f"/{thing}/2026",
            f"{thing}/Archive",
        )
    )


def _file(rng: Random, extension: str) -> str:
    stem = rng.choice(
        (
            rng.choice(_FILES),
            f"{rng.choice(_FILES).capitalize()} {rng.choice(('2025', '2026', 'Q1', 'Q3', 'final', 'v2'))}",
            name_of_thing(rng),
            f"{rng.choice(_DEPARTMENTS).lower()}-{rng.choice(_FILES)}",
        )
    )
    return stem + extension


def _site(rng: Random) -> str:
    name = rng.choice((rng.choice(_DEPARTMENTS), _team(rng), name_of_thing(rng)))
    if rng.random() < 0.3:
        return f"https://{rng.choice(_COMPANIES)}.sharepoint.com/sites/{''.join(c for c in name if c.isalnum())}"
    return name


def _url(rng: Random) -> str:
    return f"https://{rng.choice(('api.', 'www.', '', 'hooks.', 'erp.', 'status.'))}{rng.choice(_COMPANIES)}{rng.choice(_TLDS)}/{rng.choice(_PATHS)}"


def message(rng: Random) -> str:
    text = f"{rng.choice(_WHO)} {rng.choice(_DOES)}" if rng.random() < 0.5 else rng.choice(_ORDERS)
    if rng.random() < 0.3:
        return text[0].lower() + text[1:] if not text.startswith("I'") else text
    return text[0].upper() + text[1:] if rng.random() < 0.5 else text


def _phone(rng: Random) -> str:
    return rng.choice(
        (
            f"+44 7700 900{rng.randrange(100, 999)}",
            f"+1 555 01{rng.randrange(10, 99)} {rng.randrange(100, 999)}",
            f"+49 170 555{rng.randrange(1000, 9999)}",
            f"+1{rng.randrange(2000000000, 9999999999)}",
        )
    )


_MAKERS: dict[str, Callable[[Random], str]] = {
    "list": name_of_thing, "table": name_of_thing, "board": name_of_thing, "project": name_of_thing, "bucket": name_of_thing, "calendar": _team,
    "notebook": name_of_thing,
    "team": _team, "channel": _channel, "site": _site, "folder_path": _folder, "location": lambda rng: rng.choice(_CITIES), "phone": _phone,
    "title": name_of_thing,
    "html": message, "text": message, "url": _url,
}  # fmt: skip


def make(role: str, rng: Random, example: str) -> str | None:
    """A new value of a role, in the manner of `example`; None when only given values will do."""
    if role in ("file_name", "file_path"):
        dot = example.rfind(".")
        return _file(rng, example[dot:] if 0 < dot >= len(example) - 5 else ".pdf") if dot > 0 else _folder(rng)
    if role == "url" and not example.startswith("http"):
        return None
    if role in ("text", "html") and (_quotes(example) or example.count(" ") < (3 if role == "text" else 1)):
        return None
    if role == "channel":
        name = _channel(rng)
        return "#" + name.lower().replace(" ", "-") if example.startswith("#") else name
    if role in ("table", "list") and example.islower():
        return None
    maker = _MAKERS.get(role)
    return maker(rng) if maker else None


def _quotes(text: str) -> bool:
    return any(c in text for c in '"{}=<>@')
