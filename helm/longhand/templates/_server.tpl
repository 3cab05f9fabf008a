{{/* What Longhand itself is told, in the gateway and in an engine that is Longhand. */}}

{{- define "longhand.upstreams" -}}
{{- $engine := printf "http://%s-engine.%s.svc:8000" (include "longhand.fullname" .) .Release.Namespace -}}
{{ concat (ternary (list $engine) (list) .Values.engine.enabled) .Values.gateway.upstreams | join "," }}
{{- end }}

{{/* As server/settings.py reads them: lists by commas, the rest as JSON (1e+09 is no number of bytes). */}}
{{- define "longhand.settingText" -}}
{{- if kindIs "string" . }}{{ . }}{{ else if kindIs "slice" . }}{{ join "," . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end }}

{{/* All that is no secret, as data of a ConfigMap. */}}
{{- define "longhand.settings" -}}
LONGHAND_HOST: "0.0.0.0"
LONGHAND_PORT: "8000"
LONGHAND_MODEL: {{ .Values.model.id | quote }}
LONGHAND_SERVED_MODEL_NAME: {{ include "longhand.servedName" . | quote }}
LONGHAND_SHUTDOWN_GRACE_S: {{ .Values.drain.streamSeconds | quote }}
LONGHAND_DRAFTS: {{ .Values.drafts.store | quote }}
{{- with .Values.model.revision }}
LONGHAND_REVISION: {{ . | quote }}
{{- end }}
{{- with .Values.model.maxLen }}
LONGHAND_MAX_MODEL_LEN: {{ . | int | quote }}
{{- end }}
{{- if eq .Values.drafts.store "sqlite" }}
LONGHAND_DRAFTS_PATH: /var/lib/longhand/drafts.sqlite
{{- end }}
{{- if .Values.auth.allowAnonymous }}
LONGHAND_ALLOW_ANONYMOUS: "true"
{{- end }}
{{- if .Values.auth.existingSecret }}
LONGHAND_KEYS_FILE: /etc/longhand/keys/{{ .Values.auth.secretKey }}
{{- end }}
{{- if .Values.gateway.enabled }}
LONGHAND_ENGINE: upstream
LONGHAND_UPSTREAM: {{ include "longhand.upstreams" . | quote }}
{{- if .Values.engine.enabled }}
# With this and the window it asks no engine before it listens, and is live while they load.
LONGHAND_UPSTREAM_MODEL: {{ include "longhand.servedName" . | quote }}
{{- end }}
{{- else }}
LONGHAND_TENSOR_PARALLEL_SIZE: {{ .Values.engine.tensorParallel | int | quote }}
LONGHAND_PIPELINE_PARALLEL_SIZE: {{ .Values.engine.pipelineParallel | int | quote }}
LONGHAND_GPU_MEMORY_UTILIZATION: {{ .Values.engine.gpuMemoryUtilization | quote }}
LONGHAND_KV_CACHE_DTYPE: {{ .Values.engine.kvCacheDtype | quote }}
{{- with .Values.engine.quantization }}
LONGHAND_QUANTIZATION: {{ . | quote }}
{{- end }}
{{- end }}
{{- if .Values.reward.enabled }}
LONGHAND_QUALITY_MODEL: http://{{ include "longhand.fullname" . }}-reward.{{ .Release.Namespace }}.svc:8000
LONGHAND_QUALITY_MODEL_NAME: {{ .Values.reward.model | quote }}
LONGHAND_QUALITY_API: {{ .Values.reward.api }}
{{- end }}
{{- range $name, $value := .Values.settings }}
LONGHAND_{{ upper $name }}: {{ include "longhand.settingText" $value | quote }}
{{- end }}
{{- end }}

{{/* All that is a secret, and where the model's files are. */}}
{{- define "longhand.serverEnv" -}}
{{- if .Values.auth.keyHashes }}
{{ include "longhand.secretVariable" (list "LONGHAND_API_KEYS" (printf "%s-keys" (include "longhand.fullname" .)) "hashes") }}
{{- end }}
{{- if eq .Values.drafts.store "redis" }}
{{- if .Values.redis.enabled }}
{{- if .Values.redis.existingSecret }}
{{ include "longhand.secretVariable" (list "REDIS_PASSWORD" .Values.redis.existingSecret .Values.redis.secretKey) }}
{{- end }}
- name: LONGHAND_DRAFTS_URL
  value: redis://{{ if .Values.redis.existingSecret }}:$(REDIS_PASSWORD)@{{ end }}{{ include "longhand.fullname" . }}-redis.{{ .Release.Namespace }}.svc:6379/0
{{- else }}
{{ include "longhand.secretVariable" (list "LONGHAND_DRAFTS_URL" .Values.drafts.redisUrl.existingSecret .Values.drafts.redisUrl.secretKey) }}
{{- end }}
{{- end }}
{{- with .Values.engine.key }}
{{- if and $.Values.gateway.enabled .existingSecret }}
{{ include "longhand.secretVariable" (list "LONGHAND_UPSTREAM_KEY" .existingSecret .secretKey) }}
{{- end }}
{{- end }}
{{- with .Values.reward.key }}
{{- if and $.Values.reward.enabled .existingSecret }}
{{ include "longhand.secretVariable" (list "LONGHAND_QUALITY_KEY" .existingSecret .secretKey) }}
{{- end }}
{{- end }}
{{- end }}

{{/* A pod that serves starts anew when what it is told changes. */}}
{{- define "longhand.serverChecksums" -}}
checksum/config: {{ include "longhand.settings" . | sha256sum }}
{{- with .Values.auth.keyHashes }}
checksum/keys: {{ join "," . | sha256sum }}
{{- end }}
{{- end }}

{{- define "longhand.serverMounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .Values.auth.existingSecret }}
# The folder, not the file by subPath: only so does a changed Secret arrive.
- {name: keys, mountPath: /etc/longhand/keys, readOnly: true}
{{- end }}
{{- if eq .Values.drafts.store "sqlite" }}
- {name: drafts, mountPath: /var/lib/longhand}
{{- end }}
{{- end }}

{{- define "longhand.serverVolumes" -}}
{{- with .Values.auth.existingSecret }}
- name: keys
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- if eq .Values.drafts.store "sqlite" }}
- name: drafts
  persistentVolumeClaim:
    claimName: {{ default (printf "%s-drafts" (include "longhand.fullname" .)) .Values.drafts.sqlite.existingClaim }}
{{- end }}
{{- end }}
