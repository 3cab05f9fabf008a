{{/* Names and labels. Where a template needs a component too, it is given (list $ "component"). */}}

{{- define "longhand.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* 40 characters: "-engine-worker" and what controllers append still fit into 63. */}}
{{- define "longhand.fullname" -}}
{{- $name := include "longhand.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* What never changes in the life of a release. */}}
{{- define "longhand.selector" -}}
{{- $root := first . -}}
app.kubernetes.io/name: {{ include "longhand.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- with rest . }}
app.kubernetes.io/component: {{ first . }}
{{- end }}
{{- end }}

{{/* Without versions: an engine must not load 65 GB anew because the chart got a new number. */}}
{{- define "longhand.podLabels" -}}
{{ include "longhand.selector" . }}
{{- with (first .).Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "longhand.labels" -}}
{{- $root := first . -}}
{{ include "longhand.podLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: longhand
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The part that clients talk to. */}}
{{- define "longhand.front" -}}
{{ ternary "gateway" "engine" .Values.gateway.enabled }}
{{- end }}

{{- define "longhand.servedName" -}}
{{ default (base .Values.model.id) .Values.model.servedName }}
{{- end }}

{{/* (list $ image default-repository default-tag) */}}
{{- define "longhand.image" -}}
{{- $image := index . 1 -}}
{{- $repository := default (index . 2) $image.repository -}}
{{- if $image.digest -}}
{{ $repository }}@{{ $image.digest }}
{{- else -}}
{{ $repository }}:{{ default (index . 3) $image.tag }}
{{- end -}}
{{- end }}

{{- define "longhand.vllmImage" -}}
{{ include "longhand.image" (list (first .) (index . 1) "docker.io/vllm/vllm-openai" "v0.32.0") }}
{{- end }}

{{- define "longhand.engineImage" -}}
{{- if eq .Values.engine.server "longhand" -}}
{{ include "longhand.image" (list . .Values.engine.image "ghcr.io/longhand/longhand-server" .Chart.AppVersion) }}
{{- else -}}
{{ include "longhand.vllmImage" (list . .Values.engine.image) }}
{{- end -}}
{{- end }}

{{- define "longhand.gatewayImage" -}}
{{ include "longhand.image" (list . .Values.gateway.image "" .Chart.AppVersion) }}
{{- end }}
