#!/usr/bin/env bash
# A sweep on the nodes of a Slurm job: starts Ray on each and types the command on the first.
#
#   sbatch --nodes=4 --gpus-per-node=8 deploy/slurm.sh sweep tame --space queries --workers 32
#
# Everything after the script's name is what you would type after `orch`; --address is added. orch
# must be installed on every node (a shared environment is fine); no other folder is shared, and
# results lie where the command was typed.
#SBATCH --job-name=orch
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=24:00:00

set -euo pipefail

port="${ORCH_RAY_PORT:-6379}"
cpus="${SLURM_CPUS_ON_NODE:-$(nproc)}"
gpus="${SLURM_GPUS_ON_NODE:-0}"
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head="${nodes[0]}"
trap 'kill $(jobs -p) 2>/dev/null' EXIT # Ray ends with the command
address="$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}')"

# Ray's ports are open to the cluster's network: only who has this word may use them.
RAY_AUTH_MODE=token
RAY_AUTH_TOKEN="$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')"
export RAY_AUTH_MODE RAY_AUTH_TOKEN RAY_USAGE_STATS_ENABLED=0
export RAY_memory_monitor_refresh_ms=0 # the kernel ends one run, Ray's monitor the whole sweep

start() { # node, then options of `ray start`
    local node="$1"
    shift
    srun --nodes=1 --ntasks=1 --nodelist="$node" --overlap \
        ray start --block --disable-usage-stats --num-cpus="$cpus" --num-gpus="$gpus" "$@" &
}

num_up() { ray status --address "$address:$port" 2>/dev/null | grep -c ' node_' || true; }

start "$head" --head --node-ip-address="$address" --port="$port" --include-dashboard=false
until [ "$(num_up)" -ge 1 ]; do sleep 2; done
for node in "${nodes[@]:1}"; do
    start "$node" --address="$address:$port"
done
until [ "$(num_up)" -ge "${#nodes[@]}" ]; do sleep 2; done

orch "$@" --address "$address:$port"
