/** `run CONFIG`: trains a model. */
import { checkNotesChange } from '../../run/notes.js';
import {
  backend,
  dashboards,
  experiments,
  json,
  notes,
  pauseAfterEpoch,
  quiet,
  set,
  threads,
  width,
} from '../options.js';
import { defineVerb, folder } from '../verb.js';
import { addNotes } from './tag.js';
import { runToEnd } from './training.js';

export const verb = defineVerb({
  arguments: '<config>',
  options: {
    set,
    backend,
    threads,
    width,
    output: experiments,
    directory: folder('<dir>', 'the run directory itself; resumes the run if it exists there'),
    pauseAfterEpoch,
    ...notes,
    ...dashboards,
    json: json('the summary'),
    quiet,
  },
  async action([config], options, { io, commandLine }) {
    const change = { add: options.tag, remove: [], note: options.note };
    checkNotesChange(change);
    const { loadExperiment } = await import('../../config/index.js');
    const { runExperiment } = await import('../../train/run.js');
    const loaded = loadExperiment(config, { set: options.set });
    return runToEnd(options, options.directory ?? options.output, io, (signal, observer) =>
      runExperiment(
        loaded,
        { ...options, commandLine, started: new Date(), signal },
        {
          ...observer,
          begin: plan => {
            addNotes(plan.directory, change);
            observer.begin(plan);
          },
        },
      ),
    );
  },
});
