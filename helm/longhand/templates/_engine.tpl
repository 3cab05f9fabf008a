{{/* `vllm serve`: its arguments and its pod, for a Deployment and for the two kinds of pod of a group. */}}

{{- define "longhand.vllmArgs" -}}
- {{ .Values.model.id | quote }}
- --host=0.0.0.0
- --port=8000
- --served-model-name={{ include "longhand.servedName" . }}
{{- with .Values.model.revision }}
- --revision={{ . }}
{{- end }}
{{- with .Values.model.maxLen }}
- --max-model-len={{ int . }}
{{- end }}
- --tensor-parallel-size={{ int .Values.engine.tensorParallel }}
- --pipeline-parallel-size={{ int .Values.engine.pipelineParallel }}
- --gpu-memory-utilization={{ .Values.engine.gpuMemoryUtilization }}
- --kv-cache-dtype={{ .Values.engine.kvCacheDtype }}
{{- with .Values.engine.quantization }}
- --quantization={{ . }}
{{- end }}
# vLLM's default of 0 cuts running drafts off.
- --shutdown-timeout={{ int .Values.drain.streamSeconds }}
{{- with .Values.engine.args }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* (list $ rank): vLLM's own executor over several nodes (0.32: --nnodes, no Ray). */}}
{{- define "longhand.groupArgs" -}}
- --distributed-executor-backend=mp
- --nnodes={{ (first .).Values.engine.nodes | int }}
- --node-rank={{ index . 1 }}
- --master-addr=$(LWS_LEADER_ADDRESS)
- --master-port=29501
{{- end }}

{{/* What every container of an engine has: variables, GPUs, places to write. */}}
{{- define "longhand.engineEnv" -}}
# Caches of compiled code go below HOME; torch asks for the user's name, which has no passwd entry.
- {name: HOME, value: /tmp}
- {name: USER, value: longhand}
- {name: VLLM_HOST_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: VLLM_NO_USAGE_STATS, value: "1"}
{{- if eq .Values.engine.server "vllm" }}
{{- with .Values.engine.key }}
{{- if .existingSecret }}
{{ include "longhand.secretVariable" (list "VLLM_API_KEY" .existingSecret .secretKey) }}
{{- end }}
{{- end }}
{{- end }}
{{ include "longhand.hubEnv" (list . (include "longhand.cached" .)) }}
{{- with .Values.engine.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* (list resources gpuResource gpus) */}}
{{- define "longhand.gpuResources" -}}
{{- $resources := deepCopy (first .) -}}
{{- if index . 2 -}}
{{- $resources = mergeOverwrite $resources (dict "limits" (dict (index . 1) (int (index . 2)))) -}}
{{- end -}}
resources:
  {{- toYaml $resources | nindent 2 }}
{{- end }}

{{- define "longhand.engineMounts" -}}
- {name: shm, mountPath: /dev/shm}
{{ include "longhand.modelMount" (list . (include "longhand.cached" .)) }}
{{- end }}

{{/* (list shmSize) */}}
{{- define "longhand.engineVolumes" -}}
- name: tmp
  emptyDir: {}
- name: shm
  emptyDir:
    medium: Memory
    sizeLimit: {{ first . }}
{{- end }}

{{/* (list $ "leader" or "worker"): the spec of a pod of a group. */}}
{{- define "longhand.groupPod" -}}
{{- $root := first . -}}
{{- $leads := eq (index . 1) "leader" -}}
{{- $cached := include "longhand.cached" $root -}}
{{- with $root.Values.engine -}}
{{ include "longhand.pod" (list $root (ternary "engine" "engine-worker" $leads) .) }}
terminationGracePeriodSeconds: {{ include "longhand.graceSeconds" $root }}
{{ include "longhand.podSecurity" (list $root.Values.podSecurityContext) }}
{{ include "longhand.awaitModel" (list $root (include "longhand.engineImage" $root) .image.pullPolicy) }}
containers:
  - name: engine
    image: {{ include "longhand.engineImage" $root }}
    imagePullPolicy: {{ .image.pullPolicy }}
    command: [vllm, serve]
    args:
      {{- include "longhand.vllmArgs" $root | nindent 6 }}
      {{- include "longhand.groupArgs" (list $root (ternary "0" "$(LWS_WORKER_INDEX)" $leads)) | nindent 6 }}
      {{- if not $leads }}
      - --headless
      {{- end }}
    env:
      {{- include "longhand.engineEnv" $root | nindent 6 }}
    {{- if $leads }}
    ports:
      - {name: http, containerPort: 8000}
      - {name: rendezvous, containerPort: 29501}
    {{- include "longhand.probes" (dict "startup" "/health" "ready" "/health" "live" "/health" "seconds" .startupSeconds) | nindent 4 }}
    {{- include "longhand.preStop" $root | nindent 4 }}
    {{- else }}
    # A worker that goes at SIGTERM takes the leader's drafts with it: it waits until the leader is gone.
    lifecycle:
      preStop:
        exec:
          command: [python3, -c, {{ include "longhand.awaitLeader" $root | quote }}]
    {{- end }}
    {{- include "longhand.gpuResources" (list .resources .gpuResource .gpusPerNode) | nindent 4 }}
    {{- include "longhand.containerSecurity" $root | nindent 4 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- include "longhand.engineMounts" $root | nindent 6 }}
volumes:
  {{- include "longhand.engineVolumes" (list .shmSize) | nindent 2 }}
  {{- include "longhand.modelVolume" (list $root $cached $root.Values.modelCache.size) | nindent 2 }}
{{- end }}
{{- end }}

{{/* The rendezvous port is open as long as the leader's engine lives; the grace period bounds the wait. */}}
{{- define "longhand.awaitLeader" -}}
import os, socket, time
try:
    while True:
        socket.create_connection((os.environ["LWS_LEADER_ADDRESS"], int(os.environ.get("RENDEZVOUS", "29501"))), 5).close()
        time.sleep(2)
except OSError:
    pass
{{- end }}
