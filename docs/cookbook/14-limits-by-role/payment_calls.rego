# METADATA
# scope: package
# schemas:
#   - input: schema.answer
# custom:
#   input: gateway.input/v1
package gateway.payment_calls

# What the tool calls would pay. Arguments are JSON as the model wrote it: whatever is no object with a number as its amount pays null.

amounts := [amount |
	some call in object.get(input, ["answer", "tool_calls"], [])
	object.get(call, ["function", "name"], "") in data.payments.tools
	amount := number_or_null(object.get(arguments(call), "amount", null))
]

number_or_null(value) := value if {
	is_number(value)
} else := null

arguments(call) := decoded if {
	text := object.get(call, ["function", "arguments"], "")
	json.is_valid(text)
	decoded := json.unmarshal(text)
	is_object(decoded)
} else := {}
