{{/* Pieces of network policies. */}}

{{/* (list $ component): pods of a part of this release. */}}
{{- define "longhand.peer" -}}
podSelector:
  matchLabels:
    {{- include "longhand.selector" . | nindent 4 }}
{{- end }}

{{/* Clients, and Prometheus: /metrics is on the same port. */}}
{{- define "longhand.apiIngress" -}}
- ports: [{protocol: TCP, port: http}]
  {{- with .Values.networkPolicy.apiFrom }}
  from:
    {{- concat . $.Values.networkPolicy.metricsFrom | toYaml | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "longhand.metricsIngress" -}}
{{- with .Values.networkPolicy.metricsFrom }}
- ports: [{protocol: TCP, port: http}]
  from:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}

{{- define "longhand.hubEgress" -}}
- ports: [{protocol: TCP, port: 443}]
  to:
    {{- toYaml .Values.networkPolicy.hubTo | nindent 4 }}
{{- end }}

{{/* Where Longhand itself goes: engines, reward model, Redis, the hub if nothing is cached. */}}
{{- define "longhand.serverEgress" -}}
{{- if and .Values.gateway.enabled .Values.engine.enabled }}
- ports: [{protocol: TCP, port: http}]
  to:
    - {{- include "longhand.peer" (list . "engine") | nindent 6 }}
{{- end }}
{{- if .Values.reward.enabled }}
- ports: [{protocol: TCP, port: http}]
  to:
    - {{- include "longhand.peer" (list . "reward") | nindent 6 }}
{{- end }}
{{- if .Values.redis.enabled }}
- ports: [{protocol: TCP, port: redis}]
  to:
    - {{- include "longhand.peer" (list . "redis") | nindent 6 }}
{{- end }}
{{- $cached := ternary (include "longhand.gatewayCached" .) (include "longhand.cached" .) .Values.gateway.enabled }}
{{- if and (include "longhand.fromHub" .) (not $cached) }}
{{ include "longhand.hubEgress" . }}
{{- end }}
{{- with .Values.networkPolicy.gatewayEgress }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Where engines go: the hub if nothing is cached, the rest of their group. */}}
{{- define "longhand.engineEgress" -}}
{{- if eq .Values.engine.server "longhand" }}
{{- include "longhand.serverEgress" . }}
{{- else if and (include "longhand.fromHub" .) (not (include "longhand.cached" .)) }}
{{ include "longhand.hubEgress" . }}
{{- end }}
{{- if gt (int .Values.engine.nodes) 1 }}
- to:
    - {{- include "longhand.peer" (list . "engine") | nindent 6 }}
    - {{- include "longhand.peer" (list . "engine-worker") | nindent 6 }}
{{- end }}
{{- end }}
