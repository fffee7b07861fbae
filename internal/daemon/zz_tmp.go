package daemon

type ScriptEvent struct{ Action, Interface, Peer, Name, State, Reason, OldState string }
