{{/* What every pod has in common. */}}

{{/* (list $ component values): the head of a pod's spec. */}}
{{- define "longhand.pod" -}}
{{- $root := first . -}}
{{- $values := index . 2 -}}
serviceAccountName: {{ include "longhand.fullname" $root }}
automountServiceAccountToken: false
# A Service named "longhand" would put LONGHAND_PORT=tcp://... into the environment, which is refused.
enableServiceLinks: false
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.spread }}
topologySpreadConstraints:
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $values.spread }}
    labelSelector:
      matchLabels:
        {{- include "longhand.selector" (list $root (index $ 1)) | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* (list runAs): the pod's security context. */}}
{{- define "longhand.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  {{- toYaml (first .) | nindent 2 }}
  # Not the 65 GB of a cache at every start.
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "longhand.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  privileged: false
  capabilities:
    drop: [ALL]
{{- end }}

{{/* preStop and SIGTERM, then the drain, then the engine's and the connections' own end. */}}
{{- define "longhand.graceSeconds" -}}
{{ add .Values.drain.preStopSeconds .Values.drain.streamSeconds 60 }}
{{- end }}

{{- define "longhand.preStop" -}}
lifecycle:
  preStop:
    sleep:
      seconds: {{ .Values.drain.preStopSeconds }}
{{- end }}

{{/* (dict "startup" path "ready" path "live" path "seconds" n): a start may take that long, then liveness counts. */}}
{{- define "longhand.probes" -}}
startupProbe:
  httpGet: {path: {{ .startup }}, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: {{ div (add .seconds 9) 10 }}
readinessProbe:
  httpGet: {path: {{ .ready }}, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
livenessProbe:
  httpGet: {path: {{ .live }}, port: http}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 6
{{- end }}

{{/* (list NAME secret key): a variable out of a Secret. */}}
{{- define "longhand.secretVariable" -}}
- name: {{ first . }}
  valueFrom:
    secretKeyRef: {name: {{ index . 1 }}, key: {{ index . 2 }}}
{{- end }}

{{- define "longhand.hubToken" -}}
{{- with .Values.hub }}
{{- if .existingSecret }}
{{ include "longhand.secretVariable" (list "HF_TOKEN" .existingSecret .secretKey) }}
{{- end }}
{{- end }}
{{- end }}
