import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** The cores in the affinity mask, or fewer if a container's quota (cgroup) is lower. */
export function usableCores(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(quota() + 0.5)));
}

function quota(): number {
  const [most, period] = read('/sys/fs/cgroup/cpu.max')?.split(' ') ?? [
    read('/sys/fs/cgroup/cpu/cpu.cfs_quota_us'),
    read('/sys/fs/cgroup/cpu/cpu.cfs_period_us'),
  ];
  const cores = Number(most) / Number(period);
  return cores > 0 ? cores : Number.POSITIVE_INFINITY;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined; // no such limit on this system
  }
}
