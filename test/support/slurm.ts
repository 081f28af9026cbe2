/** Slurm on this machine: starts and stops its daemons, with their configuration in a folder. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { hostname, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { comesTrue } from './programs.js';

const run = promisify(execFile);

/** Includes directories of daemons, which may not be on the PATH. */
const PATH = [process.env.PATH, '/usr/sbin', '/usr/local/sbin'].join(delimiter);
const PROGRAMS = ['munged', 'slurmctld', 'slurmd', 'sbatch', 'squeue', 'scancel', 'scontrol'];

/** Why the tests cannot run here; undefined if Slurm is installed. */
export function slurmMissing(): string | undefined {
  const missing = PROGRAMS.filter(name => !isInstalled(name));
  return missing.length > 0 ? `not installed: ${missing.join(', ')} (Debian: munge, slurm-wlm)` : undefined;
}

export function isInstalled(program: string): boolean {
  try {
    execFileSync('which', [program], { env: { PATH }, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export class SlurmCluster {
  private readonly daemons: ChildProcess[] = [];

  private constructor(private readonly folder: string) {}

  /** Starts a cluster of one node with `cpus` processors, on any machine, in an empty `folder`. */
  static async start(folder: string, cpus: number): Promise<SlurmCluster> {
    const cluster = new SlurmCluster(folder);
    try {
      await cluster.begin(cpus);
    } catch (error) {
      await cluster.stop();
      throw new Error(`${String(error)}\n${cluster.complaints()}`);
    }
    return cluster;
  }

  get config(): string {
    return join(this.folder, 'slurm.conf');
  }

  async command(program: string, ...args: string[]): Promise<string> {
    const { stdout } = await run(program, args, { env: { ...process.env, SLURM_CONF: this.config } });
    return stdout;
  }

  async stop(): Promise<void> {
    // the node before the controller, since it reports its end to a running controller
    for (const daemon of this.daemons.toReversed()) await ended(daemon);
  }

  private async begin(cpus: number): Promise<void> {
    for (const name of ['state', 'spool', 'munge']) mkdirSync(join(this.folder, name), { mode: 0o755 });
    const [controller, node] = await freePorts(2);
    writeFileSync(join(this.folder, 'munge', 'key'), randomBytes(128), { mode: 0o600 });
    writeFileSync(join(this.folder, 'cgroup.conf'), 'CgroupPlugin=disabled\n');
    writeFileSync(this.config, this.configuration({ controller, node, cpus }));
    this.startMunge();
    this.daemon('slurmctld', '-D', '-i', '-f', this.config);
    this.daemon('slurmd', '-D', '-f', this.config, '-N', 'here');
    await this.up();
  }

  private startMunge(): void {
    const at = (name: string) => join(this.folder, 'munge', name);
    const files = {
      'key-file': 'key',
      socket: 'socket',
      'pid-file': 'pid',
      'log-file': 'log',
      'seed-file': 'seed',
    };
    const flags = Object.entries(files).map(([flag, name]) => `--${flag}=${at(name)}`);
    this.daemon('munged', '--foreground', '--force', ...flags);
  }

  private daemon(program: string, ...args: string[]): void {
    const env = { PATH, HOME: this.folder, SLURM_CONF: this.config };
    this.daemons.push(spawn(program, args, { env, stdio: 'ignore' }));
  }

  private async up(): Promise<void> {
    await comesTrue(async () => {
      const ended = this.daemons.find(({ exitCode }) => exitCode !== null);
      if (ended) throw new Error(`${ended.spawnfile} ended with exit code ${ended.exitCode}`);
      return (await this.command('sinfo', '--noheader', '--format=%T').catch(String)).trim() === 'idle';
    });
  }

  private complaints(): string {
    return ['slurmctld.log', 'slurmd.log', 'munge/log']
      .map(name => {
        try {
          return readFileSync(join(this.folder, name), 'utf8').slice(-2000);
        } catch {
          return '';
        }
      })
      .join('\n');
  }

  /**
   * slurm.conf(5), with short intervals, no accounting, no control groups, and finished jobs
   * deleted soon.
   */
  private configuration({
    controller,
    node,
    cpus,
  }: {
    controller: number;
    node: number;
    cpus: number;
  }): string {
    const user = userInfo().username;
    return `${[
      'ClusterName=test',
      `SlurmctldHost=${hostname()}(127.0.0.1)`,
      `SlurmctldPort=${controller}`,
      `SlurmUser=${user}`,
      `SlurmdUser=${user}`,
      'AuthType=auth/munge',
      `AuthInfo=socket=${join(this.folder, 'munge', 'socket')},cred_expire=5`,
      `StateSaveLocation=${join(this.folder, 'state')}`,
      `SlurmdSpoolDir=${join(this.folder, 'spool')}`,
      `SlurmctldPidFile=${join(this.folder, 'slurmctld.pid')}`,
      `SlurmdPidFile=${join(this.folder, 'slurmd.pid')}`,
      `SlurmctldLogFile=${join(this.folder, 'slurmctld.log')}`,
      `SlurmdLogFile=${join(this.folder, 'slurmd.log')}`,
      'ProctrackType=proctrack/linuxproc',
      'TaskPlugin=task/none',
      'JobAcctGatherType=jobacct_gather/none',
      'SwitchType=switch/none',
      'MpiDefault=none',
      'SelectType=select/cons_tres',
      'SelectTypeParameters=CR_CPU',
      'SchedulerParameters=sched_interval=1,sched_min_interval=10000,bf_interval=1',
      'SlurmdParameters=config_overrides',
      'ReturnToService=2',
      'MinJobAge=5',
      'KillWait=60',
      `NodeName=here NodeHostname=${hostname()} NodeAddr=127.0.0.1 Port=${node} CPUs=${cpus}`,
      'PartitionName=all Nodes=here Default=YES MaxTime=INFINITE State=UP',
    ].join('\n')}\n`;
  }
}

async function ended(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null || daemon.pid === undefined) return;
  const gone = new Promise(resolve => daemon.once('exit', resolve));
  daemon.kill('SIGTERM');
  const late = AbortSignal.timeout(5000);
  late.addEventListener('abort', () => daemon.kill('SIGKILL'));
  await gone;
}

/**
 * Below 32768, where Linux starts to assign ports to outgoing connections: a client that reconnects
 * could get the port of the server it waits for.
 */
const LOWEST_PORT = 10_000;
const PORTS = 22_000;

/**
 * Ports that are free now and that no client gets by chance, so that a server can be restarted on
 * its port.
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  while (servers.length < count) {
    const server = await listening(LOWEST_PORT + randomInt(PORTS));
    if (server !== undefined) servers.push(server);
  }
  const ports = servers.map(server => (server.address() as AddressInfo).port);
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))));
  return ports;
}

/** A server on `port`; undefined if the port is taken. */
function listening(port: number): Promise<Server | undefined> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(undefined)).listen(port, '127.0.0.1', () => resolve(server));
  });
}
