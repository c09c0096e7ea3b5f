"""Reads metrics from stdin as Prometheus' own client does, and prints each sample as a
line of JSON. Fails if a series is there twice, as the textfile collector and the
Pushgateway do.
"""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

seen = set()
for family in text_string_to_metric_families(sys.stdin.read()):
    if family.type != "gauge":
        sys.exit(f"{family.name} is a {family.type}")
    for sample in family.samples:
        series = (sample.name, *sorted(sample.labels.items()))
        if series in seen:
            sys.exit(f"twice: {series}")
        seen.add(series)
        print(json.dumps({"name": sample.name, "labels": sample.labels, "value": sample.value}))
