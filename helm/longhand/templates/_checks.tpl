{{/* Values that cannot be meant together: one sentence each, all at once. The schema has seen their types. */}}
{{- define "longhand.contradictions" -}}
{{ include "longhand.engineContradictions" . | trim }}
{{ include "longhand.accessContradictions" . | trim }}
{{ include "longhand.draftsContradictions" . | trim }}
{{ include "longhand.modelContradictions" . | trim }}
{{ include "longhand.settingContradictions" . | trim }}
{{- end }}

{{- define "longhand.engineContradictions" -}}
{{- with .Values.engine }}
{{- $gpus := mul .gpusPerNode .nodes }}
{{- $parts := mul .tensorParallel .pipelineParallel }}
{{- if and .enabled (ne (int $parts) (max 1 $gpus | int)) }}
engine: tensorParallel {{ .tensorParallel }} x pipelineParallel {{ .pipelineParallel }} = {{ $parts }} parts do not fit gpusPerNode {{ .gpusPerNode }} x nodes {{ .nodes }} = {{ $gpus }} GPUs.
{{- end }}
{{- if and .enabled (eq .server "longhand") $.Values.gateway.enabled }}
engine.server "longhand" is its own gateway: set gateway.enabled to false, or engine.server to "vllm".
{{- end }}
{{- if and .enabled (eq .server "vllm") (not $.Values.gateway.enabled) }}
engine.server "vllm" needs the gateway: set gateway.enabled to true, or engine.server to "longhand".
{{- end }}
{{- if and .enabled (eq .server "longhand") (gt (int .nodes) 1) }}
engine.nodes over 1 needs engine.server "vllm": Longhand with vLLM in its process serves from one node.
{{- end }}
{{- if and .keda.enabled (not .keda.serverAddress) }}
engine.keda needs serverAddress, the URL of Prometheus.
{{- end }}
{{- if eq (add (int .rollout.maxSurge) (int .rollout.maxUnavailable) | int) 0 }}
engine.rollout: with maxSurge and maxUnavailable both 0 no new version could ever start.
{{- end }}
{{- if and (not .enabled) (not $.Values.gateway.upstreams) }}
There is no engine: set engine.enabled, or name engines in gateway.upstreams.
{{- end }}
{{- if not (or .enabled $.Values.gateway.enabled) }}
There is nothing to run: both gateway.enabled and engine.enabled are false.
{{- end }}
{{- end }}
{{- end }}

{{- define "longhand.accessContradictions" -}}
{{- with .Values.auth }}
{{- $keys := or .existingSecret .keyHashes }}
{{- if not (or $keys .allowAnonymous) }}
auth: there are no API keys: set auth.existingSecret or auth.keyHashes, or auth.allowAnonymous to serve everybody.
{{- end }}
{{- if and $keys .allowAnonymous }}
auth.allowAnonymous serves everybody, and there are keys too: set one of them.
{{- end }}
{{- end }}
{{- with .Values.gateway }}
{{- if and .hpa.enabled .keda.enabled }}
gateway.hpa and gateway.keda would scale the same pods against each other: enable one.
{{- end }}
{{- if and .keda.enabled (not .keda.serverAddress) }}
gateway.keda needs serverAddress, the URL of Prometheus.
{{- end }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
ingress needs at least one of ingress.hosts.
{{- end }}
{{- if and .Values.ingress.enabled (lt (int .Values.ingress.timeoutSeconds) (int .Values.drain.streamSeconds)) }}
ingress.timeoutSeconds {{ .Values.ingress.timeoutSeconds }} is less than drain.streamSeconds {{ .Values.drain.streamSeconds }}: the Ingress would cut the streams that a drain waits for.
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
httpRoute needs at least one of httpRoute.parentRefs.
{{- end }}
{{- end }}

{{- define "longhand.draftsContradictions" -}}
{{- $gateway := .Values.gateway }}
{{- $engine := .Values.engine }}
{{- $front := ternary $gateway $engine $gateway.enabled }}
{{- $several := or (gt (int $front.replicas) 1) $front.keda.enabled (and $gateway.enabled $gateway.hpa.enabled) }}
{{- with .Values.drafts }}
{{- if and $several (has .store (list "sqlite" "memory")) }}
drafts.store "{{ .store }}" is kept by one replica, and this release has or may get several: use "redis", or "off".
{{- end }}
{{- if and (eq .store "redis") (not $.Values.redis.enabled) (not .redisUrl.existingSecret) }}
drafts.store "redis" needs one: set redis.enabled, or drafts.redisUrl.existingSecret.
{{- end }}
{{- if and .redisUrl.existingSecret $.Values.redis.enabled }}
drafts.redisUrl.existingSecret names your Redis: set redis.enabled to false.
{{- end }}
{{- if and (ne .store "redis") $.Values.redis.enabled }}
redis.enabled starts a Redis that drafts.store "{{ .store }}" does not use: set one of them.
{{- end }}
{{- end }}
{{- end }}

{{- define "longhand.modelContradictions" -}}
{{- $pods := include "longhand.modelPods" . | int }}
{{- if and (include "longhand.cached" .) (eq .Values.modelCache.accessMode "ReadWriteOnce") (gt $pods 1) }}
modelCache.accessMode "ReadWriteOnce" serves one pod, and {{ $pods }} would mount it: use "ReadWriteMany", switch modelCache.shareWithGateway off, or modelCache itself.
{{- end }}
{{- if and (hasPrefix "/" .Values.model.id) (not (and (hasPrefix "/models/" .Values.model.id) .Values.modelCache.enabled)) }}
model.id "{{ .Values.model.id }}" is a directory no pod has: it must be below /models, on the claim of modelCache.
{{- end }}
{{- if and (hasPrefix "/" .Values.model.id) .Values.gateway.enabled (not .Values.modelCache.shareWithGateway) }}
model.id "{{ .Values.model.id }}" is a directory, and the gateway reads its tokenizer: set modelCache.shareWithGateway.
{{- end }}
{{- if and (eq .Values.model.id "pocket") (eq .Values.engine.server "vllm") .Values.engine.enabled }}
model.id "pocket" comes with Longhand's images, not with vLLM's: set engine.server to "longhand" and gateway.enabled to false.
{{- end }}
{{- if and .Values.gateway.enabled .Values.engine.enabled (not .Values.model.maxLen) }}
model.maxLen is needed with a gateway, which would otherwise have to ask an engine before it could be live.
{{- end }}
{{- if and .Values.reward.enabled (not .Values.reward.model) }}
reward.enabled needs reward.model.
{{- end }}
{{- end }}

{{- define "longhand.settingContradictions" -}}
{{- $owners := dict "host" "(fixed)" "port" "(fixed)" "engine" "engine.server" "model" "model.id" "revision" "model.revision"
  "served_model_name" "model.servedName" "max_model_len" "model.maxLen" "shutdown_grace_s" "drain.streamSeconds"
  "drafts" "drafts.store" "drafts_path" "drafts.sqlite" "drafts_url" "drafts.redisUrl" "api_keys" "auth.existingSecret"
  "keys_file" "auth.existingSecret" "allow_anonymous" "auth.allowAnonymous" "upstream" "gateway.upstreams"
  "upstream_key" "engine.key" "quality_key" "reward.key" "tensor_parallel_size" "engine.tensorParallel"
  "pipeline_parallel_size" "engine.pipelineParallel" "quantization" "engine.quantization"
  "gpu_memory_utilization" "engine.gpuMemoryUtilization" "kv_cache_dtype" "engine.kvCacheDtype" }}
{{- if .Values.engine.enabled }}
{{- $owners = merge $owners (dict "upstream_model" "model.servedName") }}
{{- end }}
{{- if .Values.reward.enabled }}
{{- $owners = merge $owners (dict "quality_model" "reward.model" "quality_model_name" "reward.model" "quality_api" "reward.api") }}
{{- end }}
{{- range $name, $_ := .Values.settings }}
{{- with get $owners $name }}
settings.{{ $name }} has its own value in this chart: {{ . }}.
{{- end }}
{{- end }}
{{- end }}
