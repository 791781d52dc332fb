"""The outside world, simulated: Dataverse, Entra ID, Adobe Campaign, Adobe IMS, an SFTP area.

Built from the services' documented behaviour; shares no code with the package it helps to test.
"""
