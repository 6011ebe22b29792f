"""The running gateway: connections, answers, faults, recording and the control port."""
