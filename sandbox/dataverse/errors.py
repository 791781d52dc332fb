"""The error catalogue of the Web API as one table (dataverse.md §8), and the exception that carries an entry.

Not for deciding when an error applies: the module that refuses says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One line of the catalogue: HTTP status, platform code, message template, where it is written."""

    status: int
    code: str
    text: str
    source: str = "§8"
    confirmed: bool = True


_OUTSIDE = (
    "A validation error occurred.  The value of '{column}' on record of type '{table}' is outside the "
    "valid range."
)
CATALOGUE: dict[str, Entry] = {
    # not found
    "ObjectDoesNotExist": Entry(404, "0x80040217", "{table} With Id = {id} Does Not Exist"),
    "ObjectsDoNotExist": Entry(404, "0x80040217", "{table} With Ids = {id} Do Not Exist"),
    "BoundRowDoesNotExist": Entry(
        404, "0x80040217", "{table} With Id = {id} Does Not Exist", "§12.2/15", confirmed=False
    ),
    "RecordNotFoundByEntityKey": Entry(
        404,
        "0x80060891",
        "A record with the specified key values does not exist in {table} entity",
        confirmed=False,
    ),
    "SegmentNotFound": Entry(404, "0x80060888", "Resource not found for the segment '{segment}'."),
    "NoHttpResource": Entry(404, "", "No HTTP resource was found that matches the request URI '{url}'."),
    "MetadataNotFound": Entry(
        404,
        "0x80040217",
        "Could not find an entity with name {name} in the metadata cache.",
        "§9",
        confirmed=False,
    ),
    # the query
    "PropertyNotFound": Entry(
        400,
        "0x80060888",
        "Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{table}'.",
    ),
    "QuerySyntax": Entry(400, "0x80060888", "{text}"),
    "PagingCookie": Entry(400, "0x80060888", "Invalid paging cookie: {text}", "§12.2/7"),
    "KeyNotValid": Entry(
        400,
        "0x80060888",
        "The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.{table}'. "
        "Ensure that the names and number of key properties match the declared or alternate key "
        "properties for the resource 'Microsoft.Dynamics.CRM.{table}'.",
        "§5",
    ),
    "EntityKeyNotDefined": Entry(
        400,
        "0x80060890",
        "The specified key attributes are not a defined key for the {table} entity",
        confirmed=False,
    ),
    "UrlTooLong": Entry(414, "", "The request URI exceeds {limit} characters.", "§3.4", confirmed=False),
    # the payload
    "BadPayload": Entry(
        400,
        "0x80048d19",
        "Error identified in Payload provided by the user for Entity :'{set}', For more information on this "
        "error please follow this help link https://go.microsoft.com/fwlink/?linkid=2195293  ---->  "
        "InnerException : Microsoft.OData.ODataException: {text}",
    ),
    "StringLengthTooLong": Entry(
        400,
        "0x80044331",
        "A validation error occurred.  The length of the '{column}' attribute of the '{table}' entity "
        "exceeded the maximum allowed length of '{limit}'.",
    ),
    "IntegerValueOutOfRange": Entry(
        400,
        "0x8004432f",
        _OUTSIDE,
        confirmed=False,
    ),
    "DecimalValueOutOfRange": Entry(
        400,
        "0x80044330",
        _OUTSIDE,
        confirmed=False,
    ),
    "PicklistValueOutOfRange": Entry(
        400,
        "0x8004431a",
        _OUTSIDE,
        confirmed=False,
    ),
    "InvalidStateCodeStatusCode": Entry(
        400,
        "0x80048408",
        "{status} is not a valid status code for state code {state} on {table}.",
        confirmed=False,
    ),
    "InvalidDateTime": Entry(
        400,
        "0x80040239",
        "DateTime is less than minumum value supported by CrmDateTime. "
        "Minimum value supported: 01/01/1753 00:00:00",
        confirmed=False,
    ),
    "InvalidCharactersInField": Entry(
        400, "0x80040278", "The input contains invalid characters in the field '{column}'.", confirmed=False
    ),
    "InvalidArgument": Entry(400, "0x80040203", "{text}", confirmed=False),
    "NullNotAllowed": Entry(
        400,
        "0x80040203",
        "The column '{column}' of '{table}' is required by the system.",
        "§5",
        confirmed=False,
    ),
    # conflicts
    "DuplicateRecord": Entry(412, "0x80040237", "Cannot insert duplicate key."),
    "RecordExists": Entry(412, "0x80040237", "A record with matching key values already exists."),
    "DuplicateRecordEntityKey": Entry(
        412,
        "0x80060892",
        "Entity Key {key} violated. A record with the same value for {columns} already exists. A duplicate "
        "record cannot be created. Select one or more unique values and try again.",
        confirmed=False,
    ),
    "ConcurrencyVersionMismatch": Entry(
        412,
        "0x80060882",
        "The version of the existing record doesn't match the RowVersion property provided.",
    ),
    "OptimisticConcurrencyNotEnabled": Entry(
        400, "0x8006088d", "Optimistic concurrency isn't enabled for entity type {table}.", confirmed=False
    ),
    # rights
    "ExpiredAuthTicket": Entry(401, "0x8004a101", ""),
    "UserNotMemberOfOrg": Entry(403, "0x80072560", "The user is not a member of the organization."),
    "PrivilegeDenied": Entry(
        403,
        "0x80040220",
        "Principal user (Id={user}, type=8) is missing prv{verb}{schema} privilege (Id={privilege}) on "
        "OTC={otc} for entity '{table}'.",
    ),
    "RecordAccessDenied": Entry(
        403,
        "0x80048306",
        "Principal user (Id={user}, type=8) has no access to this {table}.",
        confirmed=False,
    ),
    "CannotActOnBehalf": Entry(
        403, "0x8004a110", "User does not have the privilege to act on behalf another user."
    ),
    # verbs
    "NotSupported": Entry(405, "0x80040315", "{text}"),
    "InvalidOperation": Entry(405, "0x8004023b", "{text}"),
    "CannotDeleteDueToAssociation": Entry(
        405, "0x80040227", "The {table} can't be deleted because it's associated with another record."
    ),
    "ActivitySubject": Entry(
        400,
        "0x8004f127",
        "The primary attribute of an activity must be called Subject.",
        "§9.2",
        confirmed=False,
    ),
    "MessageNotSupported": Entry(
        400,
        "0x80040800",
        "The '{message}' method does not support entities of type '{table}'.",
        confirmed=False,
    ),
    "RequestLengthTooLarge": Entry(413, "0x8004418a", "The request is too large.", confirmed=False),
    # change tracking
    "ChangeTrackingNotEnabled": Entry(
        400, "0x80072491", "Entity {table} isn't enabled for change tracking.", "§4.5", confirmed=False
    ),
    "ExpiredVersionStamp": Entry(
        400,
        "0x80044352",
        "Version stamp associated with the client has expired. Please perform a full sync.",
        "§4.5",
        confirmed=False,
    ),
    "OptionWithTracking": Entry(
        400,
        "0x80060888",
        'The "{option}" query parameter isn\'t supported when Change Tracking is enabled.',
        "§4.4",
        confirmed=False,
    ),
    "CannotTurnTrackingOff": Entry(
        400, "0x80040203", "Change tracking cannot be turned off for entity {table}.", "§4.1", confirmed=False
    ),
    # limits (§7)
    "TooManyRequests": Entry(
        429,
        "0x80072322",
        "Number of requests exceeded the limit of {limit} over time window of {window} seconds.",
        "§7",
    ),
    "TooMuchTime": Entry(
        429,
        "0x80072321",
        "Combined execution time of incoming requests exceeded limit of {limit} milliseconds over "
        "time window of {window} seconds. Decrease number of concurrent requests or reduce the duration of "
        "requests and try again later.",
        "§7",
    ),
    "TooManyAtOnce": Entry(
        429, "0x80072326", "Number of concurrent requests exceeded the limit of {limit}.", "§7"
    ),
    # the database behind it (§7, injectable)
    "GenericSqlError": Entry(
        500, "0x80044150", "Sql error: Generic SQL error. (1205)", "§7", confirmed=False
    ),
    "SqlTimeout": Entry(500, "0x80044151", "Sql error: Execution Timeout Expired.", "§7", confirmed=False),
    "TransactionRolledBack": Entry(
        500, "0x80040255", "The transaction was already rolled back.", "§7", confirmed=False
    ),
    "WorkerLimit": Entry(503, "0x80072324", "Too many concurrent requests detected.", "§7", confirmed=False),
    "ResourceLock": Entry(503, "0x80044339", "A resource lock could not be taken.", "§7", confirmed=False),
    "IsvAborted": Entry(400, "0x80040265", "{text}", "§8"),
    "NotImitated": Entry(501, "0x80040315", "The sandbox does not imitate {what}.", "spec S3"),
    "UnExpected": Entry(500, "0x80040216", "An unexpected error occurred.", confirmed=False),
}


@dataclass
class Refusal(Exception):
    """A catalogue entry on its way to the client; switches hold the status of unconfirmed ones."""

    name: str
    details: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def message(self) -> str:
        return CATALOGUE[self.name].text.format_map(self.details)


def refuse(name: str, /, **details: Any) -> Refusal:
    """Build the refusal `name`; keyword arguments fill its message."""
    return Refusal(name, details)


def not_imitated(what: str) -> Refusal:
    """501 with a sentence that names what the sandbox leaves out."""
    return Refusal("NotImitated", {"what": what})
