{{/* Up at once; down one pod at a time, once in the time a stream may take, as each drains that long. */}}
{{- define "longhand.scaling" -}}
scaleUp:
  stabilizationWindowSeconds: 0
scaleDown:
  stabilizationWindowSeconds: 600
  policies:
    - {type: Pods, value: 1, periodSeconds: {{ min 1800 .Values.drain.streamSeconds }}}
{{- end }}

{{/* (list $ component): what Prometheus knows the pods of a part by, see templates/monitoring. */}}
{{- define "longhand.series" -}}
{{- $root := first . -}}
namespace="{{ $root.Release.Namespace }}",job="{{ include "longhand.fullname" $root }}-{{ index . 1 }}"
{{- end }}

{{/* (list $ component): the same `job` whatever found the pod, for "longhand.series", rules and dashboards. */}}
{{- define "longhand.jobLabel" -}}
targetLabel: job
replacement: {{ include "longhand.fullname" (first .) }}-{{ index . 1 }}
{{- end }}
