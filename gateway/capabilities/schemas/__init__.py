"""JSON Schemas that answers have to meet: compiled once, bounded whatever the schema and the answer, and silent about the answer's content.

- ``registry``: start here. ``Schemas`` compiles and remembers; ``model`` has what the parts hand to each other, and the bounds.
- ``answer_schema``: one compiled schema; checks a text. ``extraction``: finds the JSON in a text that has more than it.
- ``bounds``: what is too much of a schema. ``structure``: where its subschemas stand. ``references``: what its references mean; nothing is ever fetched.
- ``compilation``: the form of a schema that is run. ``keywords``, ``applicators``, ``descent``, ``unevaluated``: what each keyword asks.
- ``patterns``: google-re2. ``formats``: texts of a known form. ``values``: equality of JSON values.
- ``library``: the border of jsonschema. ``repair``: what a model is told about an answer that failed.
"""
