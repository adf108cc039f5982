"""Write-once sets of files."""
