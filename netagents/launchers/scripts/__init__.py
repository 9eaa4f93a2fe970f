"""Scripts and manifests with which people run an experiment on a cluster: Slurm and Kubernetes."""
