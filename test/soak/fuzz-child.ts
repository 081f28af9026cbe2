/**
 * One target in a process of its own, whose memory is bounded: TARGET SEED COUNT FROM; prints the
 * report as JSON.
 */
import { StepCounter } from '../support/steps.js';

const steps = new StepCounter();
// loaded only now: blocks are counted in what is compiled from here on
const { fuzz, TARGETS } = await import('./fuzz.js');

const [name, seed, count, from] = process.argv.slice(2);
const target = TARGETS.find(one => one.name === name);
if (target === undefined) throw new Error(`no target is called ${name}`);
const report = await fuzz(target, Number(seed), Number(count), { from: Number(from), steps });
process.stdout.write(JSON.stringify(report));
