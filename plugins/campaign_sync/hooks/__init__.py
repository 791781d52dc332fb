"""The hooks: everything that speaks HTTP or SFTP to the outside, and nothing else."""
