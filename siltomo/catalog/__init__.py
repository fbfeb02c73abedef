"""The folder that holds records and volumes, and loses nothing."""
