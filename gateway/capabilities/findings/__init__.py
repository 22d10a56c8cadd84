"""Finds sensitive values: personal data and credentials. What is done about them is redaction's.

- ``scanner``: the face, whole texts; ``stream``: texts in pieces; ``memo``: texts that come again; ``options``: what a tenant chooses.
- ``engine``: one look at a text, the same for whole texts and streams; ``holding``: what must wait at the end of a stream.
- ``text_view``: a text as classes of characters; ``numbers`` and ``shapes``: from the shape of a window to the recognisers that could match there.
- ``catalogue``: all recognisers and names; ``detectors``: one module per family; ``checksums`` and ``cues``: what makes a shape a finding.
- ``custom`` and ``pattern_width``: tenants' patterns and words, on google-re2; ``model``: what the parts hand to each other.
"""
