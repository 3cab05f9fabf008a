{{/* Where weights come from: a claim that a Job fills, a claim that is filled, or each pod's own disk. */}}

{{/* "true" where the hub must be asked for the model at all. */}}
{{- define "longhand.fromHub" -}}
{{- if not (or (eq .Values.model.id "pocket") (hasPrefix "/" .Values.model.id)) }}true{{ end -}}
{{- end }}

{{/* "true" where the claim has all there is to have, so that pods run offline. */}}
{{- define "longhand.cached" -}}
{{- if and .Values.modelCache.enabled (ne .Values.model.id "pocket") }}true{{ end -}}
{{- end }}

{{- define "longhand.gatewayCached" -}}
{{- if and (include "longhand.cached" .) .Values.modelCache.shareWithGateway }}true{{ end -}}
{{- end }}

{{/* "true" where the Job fills it. */}}
{{- define "longhand.downloads" -}}
{{- if and (include "longhand.cached" .) (include "longhand.wanted" .) .Values.modelCache.download.enabled }}true{{ end -}}
{{- end }}

{{/* The models to download, as `id@revision` lines. */}}
{{- define "longhand.wanted" -}}
{{- if include "longhand.fromHub" . }}{{ .Values.model.id }}@{{ .Values.model.revision }}{{ end }}
{{- if .Values.reward.enabled }}
{{ .Values.reward.model }}@{{ .Values.reward.revision }}
{{- end }}
{{- end }}

{{/* Tells one set of models from another: the Job's name and the file that it leaves at its end. */}}
{{- define "longhand.wantedHash" -}}
{{ printf "%s %s" (include "longhand.wanted" .) (.Values.modelCache.download.ignore | join " ") | sha256sum | trunc 10 }}
{{- end }}

{{- define "longhand.modelClaim" -}}
{{ default (printf "%s-models" (include "longhand.fullname" .)) .Values.modelCache.existingClaim }}
{{- end }}

{{/* How many pods mount the claim at most. */}}
{{- define "longhand.modelPods" -}}
{{- $engines := ternary .Values.engine.keda.maxReplicas .Values.engine.replicas .Values.engine.keda.enabled -}}
{{- $pods := ternary (mul $engines .Values.engine.nodes) 0 .Values.engine.enabled -}}
{{- $pods = ternary (add $pods .Values.reward.replicas) $pods .Values.reward.enabled -}}
{{- if and .Values.gateway.enabled .Values.modelCache.shareWithGateway -}}
{{- $pods = add $pods .Values.gateway.replicas -}}
{{- end -}}
{{ $pods }}
{{- end }}

{{/* (list $ cached): the environment by which Hugging Face's libraries find it. */}}
{{- define "longhand.hubEnv" -}}
- {name: HF_HOME, value: /models}
- {name: HF_HUB_DISABLE_TELEMETRY, value: "1"}
{{- if index . 1 }}
- {name: HF_HUB_OFFLINE, value: "1"}
{{- else }}
{{- include "longhand.hubToken" (first .) }}
{{- end }}
{{- end }}

{{/* (list $ cached): read-only where the Job is the one that writes. */}}
{{- define "longhand.modelMount" -}}
- {name: models, mountPath: /models, readOnly: {{ not (empty (index . 1)) }}}
{{- end }}

{{/* (list $ cached size) */}}
{{- define "longhand.modelVolume" -}}
- name: models
  {{- if index . 1 }}
  persistentVolumeClaim:
    claimName: {{ include "longhand.modelClaim" (first .) }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ index . 2 }}
  {{- end }}
{{- end }}

{{/* (list $ image pullPolicy): holds a pod back until the Job is done, however long that takes. */}}
{{- define "longhand.awaitModel" -}}
{{- $root := first . -}}
{{- if include "longhand.downloads" $root }}
initContainers:
  - name: await-model
    image: {{ index . 1 }}
    imagePullPolicy: {{ index . 2 }}
    command: [sh, -c]
    args: ['until [ -e "/models/.complete-{{ include "longhand.wantedHash" $root }}" ]; do sleep 5; done']
    resources:
      requests: {cpu: 10m, memory: 16Mi}
      limits: {memory: 64Mi}
    {{- include "longhand.containerSecurity" $root | nindent 4 }}
    volumeMounts:
      {{- include "longhand.modelMount" (list $root "true") | nindent 6 }}
{{- end }}
{{- end }}
