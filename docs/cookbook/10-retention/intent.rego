# METADATA
# scope: package
# schemas:
#   - input: schema.intent
# custom:
#   input: gateway.input/v1
package gateway.intent

# How long the record keeps the content of an intent: as long as the most delicate class of data in it may be kept. What may not be kept at all is not taken.

default verdict := {"outcome": "deny", "reasons": [{"rule": "intent.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow", "obligations": {"retention_days": days, "labels": {"kept_for": concat(",", classes)}}} if {
	input.subject.tenant
	days > 0
}

verdict := {"outcome": "deny", "reasons": [{"rule": "retention.none", "message": message}]} if {
	days == 0
	message := sprintf("this holds data that may not be kept: %v", [concat(", ", classes)])
}

days := min([data.classes[class].days | some class in classes])

# The classes of what was found; ordinary is always among them, for what is in no class.
classes := {class |
	some class, row in data.classes
	some category in row.categories
	category in found
} | {"ordinary"}

found := {finding.category | some finding in object.get(input, "findings", [])}
