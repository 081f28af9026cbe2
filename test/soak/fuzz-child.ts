/** One target in a process of its own, whose memory is bounded: TARGET SEED COUNT FROM; prints the report as JSON. */
import { fuzz, TARGETS } from './fuzz.js';

const [name, seed, count, from] = process.argv.slice(2);
const target = TARGETS.find(one => one.name === name);
if (target === undefined) throw new Error(`no target is called ${name}`);
process.stdout.write(JSON.stringify(await fuzz(target, Number(seed), Number(count), Number(from))));
