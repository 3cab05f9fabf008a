"""The source of the chart's Grafana dashboards; it must not be needed to install the chart."""
