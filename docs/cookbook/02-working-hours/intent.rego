# METADATA
# scope: package
# schemas:
#   - input: schema.intent
# custom:
#   input: gateway.input/v1
package gateway.intent

# Working hours, on the clock of each tenant's office. Whoever has the role on_call may ask at any time.

default verdict := {"outcome": "deny", "reasons": [{"rule": "intent.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow"} if open

verdict := {"outcome": "allow"} if "on_call" in input.subject.roles

verdict := {"outcome": "deny", "reasons": [{"rule": "hours.closed", "message": message}]} if {
	not open
	not "on_call" in object.get(input, ["subject", "roles"], [])
	message := sprintf("outside of working hours: %v to %v, %v", [office.from, office.to, office.zone])
}

office := data.offices[input.subject.tenant]

# Times of the same form, 08:30, are in the order of their texts.
open if {
	weekday in office.days
	clock >= office.from
	clock < office.to
}

weekday := time.weekday([now, office.zone])

clock := sprintf("%v:%v", [two_digits(hour), two_digits(minute)]) if [hour, minute, _] := time.clock([now, office.zone])

# The clock is that of the input, so that the decision can be told again from its record.
now := time.parse_rfc3339_ns(input.time)

two_digits(number) := substring(sprintf("%v", [100 + number]), 1, 2)
