"""Metrics: functions of samples and real samples."""
