/**
 * Which files this process runs from: the executable and its libraries as the kernel mapped them (/proc/self/maps), the
 * scripts that V8 has compiled, and the WebAssembly that lies beside them. V8 is asked through its own inspector, in
 * this process and for a moment, because ES modules are listed nowhere else.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Paths of mapped files with code in them; one that was replaced or removed since ends in ` (deleted)`. */
function mappedFiles(maps: string): string[] {
  return maps.split('\n').flatMap((line) => {
    const m = /^\S+ ..x. \S+ \S+ [1-9]\d* +(\/.*)$/.exec(line);
    return m?.[1] === undefined ? [] : [m[1]];
  });
}

/** Paths of all scripts that came from a file. */
function scriptFiles(): string[] {
  const urls: string[] = [];
  const session = new Session();
  session.connect();
  try {
    session.on('Debugger.scriptParsed', ({ params }) => urls.push(params.url));
    session.post('Debugger.enable');
    session.post('Debugger.disable');
  } finally {
    session.disconnect();
  }
  return urls.flatMap((url) => {
    if (url.startsWith('file:')) return [fileURLToPath(url)];
    return url.startsWith('/') ? [url] : [];
  });
}

/** Every file, sorted, each once: libraries, scripts, and WebAssembly in the directories of scripts. */
export function loadedFiles(maps = '/proc/self/maps'): string[] {
  const scripts = scriptFiles();
  const wasm = [...new Set(scripts.map((s) => dirname(s)))].flatMap((dir) => {
    try {
      return readdirSync(dir)
        .filter((f) => f.endsWith('.wasm'))
        .map((f) => join(dir, f));
    } catch {
      return [];
    }
  });
  return [...new Set([...mappedFiles(readFileSync(maps, 'utf8')), ...scripts, ...wasm])].sort();
}
