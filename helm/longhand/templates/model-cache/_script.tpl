{{/* Downloads go on where they broke off. The mark comes last: engines wait for it. */}}
{{- define "longhand.downloadScript" -}}
import json, os, pathlib
from huggingface_hub import snapshot_download
for model in os.environ["MODELS"].split():
    name, _, revision = model.partition("@")
    snapshot_download(name, revision=revision or None, ignore_patterns=json.loads(os.environ["IGNORE"]))
pathlib.Path(os.environ["HF_HOME"], os.environ["MARK"]).touch()
{{- end }}
