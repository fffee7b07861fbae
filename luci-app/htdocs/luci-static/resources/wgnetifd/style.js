'use strict';
'require baseclass';

/* The few rules that LuCI's themes have no class for. Colours come from currents
 * of the theme (its text, its links) and from pairs that are readable on light
 * and dark ground. */

const RULES = [
	/* A key is 44 characters: wide enough to compare it. */
	'.cbi-value[data-name$="_key"] input { width: 29em; max-width: 100%; min-width: 0; font-family: monospace; }',
	'.wgn-hint { font-size: 90%; margin-top: .25em; padding: .1em .5em; border-left: 3px solid #d98e00; }',
	'.wgn-hint:empty { display: none; }',
	'.wgn-note { opacity: .8; font-size: 90%; }',
	'.wgn-peer { display: inline-flex; flex-wrap: wrap; gap: .25em; align-items: center; }',
	'.wgn-peer .wgn-name { font-weight: bold; overflow-wrap: anywhere; flex-basis: 100%; }',
	'.wgn-list { display: inline-flex; flex-wrap: wrap; gap: .125em; }',
	'.wgn-list .ifacebadge, .wgn-peer .ifacebadge { overflow-wrap: anywhere; white-space: normal; }',
	'.wgn-list .ifacebadge.wgn-whole { white-space: nowrap; overflow-wrap: normal; }',
	'.wgn-pane textarea { width: 100%; max-width: none; min-height: 12em; font-family: monospace; white-space: pre; box-sizing: border-box; }',
	'.wgn-pane textarea.wgn-over { outline: 2px dashed currentColor; }',
	'.wgn-pane fieldset { border: 0; margin: .5em 0; padding: 0; }',
	'.wgn-pane fieldset label { display: flex; gap: .5em; align-items: baseline; margin: .25em 0; text-align: left; width: auto; float: none; }',
	'.wgn-pane p { margin: .5em 0; }',
	'.wgn-pane ul { margin: 0 0 0 1.5em; text-align: left; }',
	'.wgn-pane li { color: inherit; }',
	'.wgn-pane .button-row { margin-top: 1em; }',
	'.wgn-export-parts { display: flex; flex-wrap: wrap; gap: 1em; align-items: flex-start; }',
	'.wgn-qr { flex: 0 1 300px; min-width: 200px; background: #fff; color: #000; line-height: 0; text-align: center; }',
	'.wgn-qr em { line-height: 1.4; display: block; padding: 1em; }',
	'.wgn-qr svg { width: 100%; height: auto; shape-rendering: crispEdges; }',
	'.wgn-config { flex: 1 1 20em; min-width: 0; font-family: monospace; white-space: pre; box-sizing: border-box; }',
	'.wgn-buttons { margin: .5em 0; }'
];

return baseclass.extend({
	/* use puts the rules into the page, once. */
	use() {
		if (document.getElementById('wgnetifd-style'))
			return;

		document.head.appendChild(E('style', { 'id': 'wgnetifd-style' }, [ RULES.join('\n') ]));
	}
});
